# Everything a developer does, by name. Needs make and Python 3.11+; bare `make` prints the list.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet --retries 2
UV_LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

# Both distributions: the product and the public event contract.
PROJECTS := pyproject.toml events/pyproject.toml

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/devstack.stamp ## Start Kafka, Redis and every process; Ctrl-C stops them
	@$(PY) -m devstack run

.PHONY: stop
stop: $(VENV)/devstack.stamp ## Stop what `make run` started
	@$(PY) -m devstack stop

.PHONY: reset
reset: $(VENV)/devstack.stamp ## Stop, and delete the local data (downloads stay)
	@$(PY) -m devstack reset

.PHONY: status
status: $(VENV)/devstack.stamp ## Show what runs, and where
	@$(PY) -m devstack status

.PHONY: demo
demo: $(VENV)/dev.stamp ## Post thousands of real names to the running stack, then check every one
	@$(PY) -m benchmarks.demo

.PHONY: check
check: static unit ## All that needs no services: `make static`, then unit and property tests

.PHONY: static
static: $(VENV)/dev.stamp ## Format, lint, types, import rules, packages, secrets
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	$(VENV)/bin/lint-imports
	$(PY) -m pip check
	$(PY) -m tests.artefacts.secret_scan

# The pipelines' steps, one target each; concourse/tasks calls them. See docs/ci-cd.md.
OUT ?= build
# Least part of lines and branches that the tests without services must reach, in percent, of what they can reach: pyproject.toml.
COVERAGE ?= 86

.PHONY: compile
compile: $(VENV)/dev.stamp ## Compile every module, and build both distributions into OUT
	$(PY) -m compileall -q command_api dashboard devstack events pipeline projector query_api read_models runtime
	$(VENV)/bin/uv build --quiet --offline --no-build-isolation --python $(PY) --wheel --out-dir $(OUT)/dist .
	$(VENV)/bin/uv build --quiet --offline --no-build-isolation --python $(PY) --wheel --out-dir $(OUT)/dist events

.PHONY: lint
lint: $(VENV)/dev.stamp ## Format, lint and import rules; the lint report for Sonar in OUT
	@mkdir -p $(OUT)
	$(PY) -m ruff check --exit-zero --output-format json --output-file $(OUT)/ruff.json .
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports

.PHONY: types
types: $(VENV)/dev.stamp ## mypy --strict
	$(PY) -m mypy .

.PHONY: unit
unit: $(VENV)/dev.stamp ## Unit and property tests; needs no services
	$(PY) -m pytest tests/unit tests/property

.PHONY: coverage
coverage: $(VENV)/dev.stamp ## Unit and property tests with their coverage, for Sonar in OUT; fails below COVERAGE percent
	$(PY) -m pytest tests/unit tests/property --cov --cov-report=term:skip-covered --cov-report=xml:$(OUT)/coverage.xml \
		--cov-fail-under=$(COVERAGE) --junitxml=$(OUT)/tests.xml

.PHONY: sonar
sonar: ## Send sources, coverage and lint report to SonarQube (SONAR_HOST_URL, SONAR_TOKEN)
	@command -v sonar-scanner >/dev/null || { echo "sonar-scanner is not on the PATH: install the SonarScanner CLI" >&2; exit 1; }
	@for report in coverage.xml ruff.json tests.xml; do test -s $(OUT)/$$report || \
		{ echo "$(OUT)/$$report is not there: run make lint coverage first" >&2; exit 1; }; done
	sonar-scanner -Dsonar.python.coverage.reportPaths=$(OUT)/coverage.xml -Dsonar.python.xunit.reportPath=$(OUT)/tests.xml \
		-Dsonar.python.ruff.reportPaths=$(OUT)/ruff.json

.PHONY: sonar-gate
sonar-gate: $(VENV)/dev.stamp ## Read back what SonarQube's quality gate says
	@$(PY) -m pipeline.sonar_gate

.PHONY: notify
notify: $(VENV)/dev.stamp ## Tell Slack: PIPELINE= JOB= OUTCOME= BUILDS= (SLACK_WEBHOOK)
	@PIPELINE='$(PIPELINE)' JOB='$(JOB)' OUTCOME='$(OUTCOME)' BUILDS='$(BUILDS)' $(PY) -m pipeline.slack

.PHONY: test
test: $(VENV)/dev.stamp ## Every test, against real Kafka and Redis
	$(PY) -m pytest

.PHONY: test-security
test-security: $(VENV)/dev.stamp ## Hostile tokens and requests, rights, limits, transport; all of tests/e2e over TLS with least rights
	$(PY) -m pytest tests/security
	$(PY) -m pytest --secure tests/e2e

.PHONY: test-faults
test-faults: $(VENV)/dev.stamp ## Break the product at random and judge it by its history: SEED=n MINUTES=m [BROKERS=3]
	@$(PY) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(BROKERS),--brokers $(BROKERS))

.PHONY: test-planted-faults
test-planted-faults: $(VENV)/dev.stamp ## See that the checker finds each of eight faults planted into the product
	@$(PY) -m tests.faults.planted

# Another image: make image IMAGE=registry.example.org/user-directory:1.2.3 BASE_IMAGE=python:3.13-slim@sha256:...
IMAGE ?= user-directory:dev
# buildah takes the same arguments, and needs no engine.
DOCKER ?= docker
.PHONY: image
image: ## Build the image of every process (IMAGE=name:tag, BASE_IMAGE=, DOCKER_BUILD=options)
	$(DOCKER) build $(DOCKER_BUILD) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
		--build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		--build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) --tag $(IMAGE) .

.PHONY: publish
publish: image ## Build the image and push it to its registry
	@test -z "$$REGISTRY_PASSWORD" || echo "$$REGISTRY_PASSWORD" | \
		$(DOCKER) login --username "$$REGISTRY_USER" --password-stdin $(firstword $(subst /, ,$(IMAGE)))
	$(DOCKER) push $(IMAGE)

.PHONY: published
published: $(VENV)/dev.stamp ## Read the pushed image back: OUT/image.json has its digest
	@IMAGE=$(IMAGE) OUT=$(OUT) $(PY) -m pipeline.registry

# The image as it was published, by digest.
PUBLISHED = $$($(PY) -c 'import json; i = json.load(open("$(OUT)/image.json")); print(i["repository"] + "@" + i["digest"])')

.PHONY: sbom
sbom: $(VENV)/dev.stamp ## List what is in the published image, as CycloneDX in OUT (syft)
	@command -v syft >/dev/null || { echo "syft is not on the PATH: install it from github.com/anchore/syft" >&2; exit 1; }
	syft scan --quiet "registry:$(PUBLISHED)" --output cyclonedx-json=$(OUT)/sbom.cdx.json

.PHONY: scan
scan: $(VENV)/dev.stamp ## Look for known vulnerabilities in what the published image holds (trivy)
	@command -v trivy >/dev/null || { echo "trivy is not on the PATH: install it from github.com/aquasecurity/trivy" >&2; exit 1; }
	trivy sbom --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed $(OUT)/sbom.cdx.json

.PHONY: chart-package
chart-package: $(VENV)/dev.stamp ## Package the chart with the published image's digest into OUT
	@OUT=$(OUT) $(PY) -m pipeline.chart

# How long a deployment has until every pod is ready; then it is rolled back.
TIMEOUT ?= 15m
.PHONY: deploy
deploy: ## Install or upgrade the packaged chart: RELEASE= NAMESPACE= VALUES=file [TIMEOUT=15m]; a failed upgrade is rolled back
	@test -s "$(VALUES)" || { echo "name the file of values: make deploy VALUES=values/user-directory.yaml" >&2; exit 1; }
	@test -z "$$KUBECONFIG_DATA" || { umask 077; printf '%s' "$$KUBECONFIG_DATA" >$(OUT)/kubeconfig; }
	$(if $(value KUBECONFIG_DATA),KUBECONFIG=$(OUT)/kubeconfig) helm upgrade --install $(RELEASE) $(OUT)/user-directory-*.tgz \
		--namespace $(NAMESPACE) --values $(VALUES) --atomic --wait --timeout $(TIMEOUT)

.PHONY: smoke
smoke: $(VENV)/dev.stamp ## Try a running directory: URL=http://... [READS=url] [KILL='command']
	@test -n "$(URL)" || { echo "say where it runs: make smoke URL=http://127.0.0.1:8000" >&2; exit 1; }
	@$(PY) tests/smoke.py $(URL) $(if $(READS),--reads $(READS)) $(if $(KILL),--kill '$(KILL)')

.PHONY: check-artefacts
check-artefacts: $(VENV)/artefacts.stamp $(VENV)/checkov.stamp ## Check every artefact with its own tool (PLANTED=1: check the checks)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m tests.artefacts $(if $(PLANTED),--planted)

.PHONY: test-pipelines
test-pipelines: $(VENV)/dev.stamp ## Run every task of both pipelines in a clean clone against doubles (PLANTED=1: with mistakes)
	@$(PY) -m tests.pipelines $(if $(PLANTED),--planted)

.PHONY: test-cluster
test-cluster: $(VENV)/dev.stamp ## Try the chart on the cluster of KUBECONFIG: IMAGE= CHANGED_IMAGE= [CRDS=] [STEPS=]
	@test -n "$(CHANGED_IMAGE)" || { echo "name two images that the cluster has: make test-cluster IMAGE=a CHANGED_IMAGE=b" >&2; exit 1; }
	@IMAGE=$(IMAGE) CHANGED_IMAGE=$(CHANGED_IMAGE) CRDS=$(CRDS) $(PY) -m tests.cluster $(STEPS)

.PHONY: test-installer
test-installer: $(VENV)/dev.stamp ## Try charts/install-helm.sh on a throw-away cluster of KUBECONFIG: CRDS=folder
	@test -n "$(CRDS)" || { echo "name the folder of CRDs: make test-installer CRDS=folder" >&2; exit 1; }
	@CRDS=$(CRDS) $(PY) -m pytest tests/cluster

.PHONY: test-operations
test-operations: $(VENV)/artefacts.stamp ## Try alerts, dashboard and logs with a real Prometheus and rsyslog (both on the PATH)
	$(PY) -m pytest tests/operations

.PHONY: dashboard
dashboard: $(VENV)/artefacts.stamp ## Make Grafana's dashboard anew from dashboard/panels.py
	$(PY) -m dashboard.build

# The dev environment sleeps at night: no nodes, but the log is kept. `make cloud-up` brings back what was there.
CLOUD = terraform -chdir=terraform/environments/dev
.PHONY: cloud-up cloud-down
cloud-up cloud-down: ## Wake the dev environment on Google Cloud; cloud-down: park it, without nodes (VARS=-var-file=...)
	@command -v terraform >/dev/null || { echo "terraform is not on the PATH: install Terraform 1.7 or newer" >&2; exit 1; }
	@test -d terraform/environments/dev/.terraform || { echo "the dev environment is not set up here: see docs/deploy.md, From an empty GCP project" >&2; exit 1; }
	$(CLOUD) apply -input=false -auto-approve $(VARS) -var parked=$(if $(filter cloud-down,$@),true,false)

.PHONY: bench
bench: $(VENV)/dev.stamp ## Measure reads and writes beside other ways to build such a service
	@$(PY) -m benchmarks.read_rate
	@$(PY) -m benchmarks.write_rate
	@$(PY) -m benchmarks.guard_cost

.PHONY: contract
contract: $(VENV)/dev.stamp ## Write events/schemas, events/asyncapi.json and docs/events.md from the models, if compatible
	@$(PY) -m contract

.PHONY: format
format: $(VENV)/dev.stamp ## Format the code and mend what the linter can mend
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

# Each smaller lock takes its versions from requirements/dev.txt, so all agree. UPGRADE=--upgrade takes newer versions.
.PHONY: lock
lock: $(VENV)/dev.stamp ## Make the lock files anew from pyproject.toml (UPGRADE=--upgrade: newer versions)
	$(UV_LOCK) $(UPGRADE) $(PROJECTS) --group dev -o requirements/dev.txt
	$(UV_LOCK) $(PROJECTS) --excludes requirements/excluded.txt -c requirements/dev.txt -o requirements/runtime.txt
	$(UV_LOCK) $(PROJECTS) --excludes requirements/excluded.txt --group devstack -c requirements/dev.txt \
		-o requirements/devstack.txt
	$(UV_LOCK) --group java -o requirements/java.txt
	$(UV_LOCK) --group artefacts -c requirements/dev.txt -o requirements/artefacts.txt
	$(UV_LOCK) --group checkov -o requirements/checkov.txt

.PHONY: clean
clean: ## Delete the virtual environment and what tools left behind; ./var stays
	rm -rf $(VENV) build dist events/build events/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage .coverage.* coverage.xml htmlcov
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) is not on the PATH: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11: name a newer one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)" >&2; \
		exit 1; }

# $(1): the lock to install. It names everything that is needed, so pip resolves nothing: given the chance, older ones take
# a newer release of a package that another asks for with an extra, and then refuse it as not pinned.
define install
	@echo "Installing $$(grep -c '==' $(1)) locked packages from $(1) ..."
	@{ $(PIP) --no-deps --require-hashes -r $(1) && $(PIP) --no-deps --no-build-isolation -e ./events -e .; } \
		2>$(VENV)/install.log || { grep -h '^ERROR' $(VENV)/install.log | tail -n 1; \
		echo "The packages could not be installed: check the network and run make again; all of pip's words: $(VENV)/install.log"; \
		exit 1; } >&2
	@touch $@
endef

$(VENV)/devstack.stamp: requirements/devstack.txt | $(VENV)/pyvenv.cfg
	$(call install,$<)

# The full set holds the smaller one, so `make run` after `make check` installs nothing.
$(VENV)/dev.stamp: requirements/dev.txt | $(VENV)/pyvenv.cfg
	$(call install,$<)
	@touch $(VENV)/devstack.stamp

# On top of the full set, with the same versions.
$(VENV)/artefacts.stamp: requirements/artefacts.txt $(VENV)/dev.stamp
	$(call install,$<)

# It wants older versions of what the others need, so it has an environment of its own.
$(VENV)/checkov.stamp: requirements/checkov.txt | $(VENV)/dev.stamp
	@echo "Installing $$(grep -c '==' $<) locked packages from $< ..."
	@$(VENV)/bin/python -m venv $(VENV)/checkov
	@$(VENV)/checkov/bin/python -m pip --disable-pip-version-check --no-input install --quiet --retries 2 \
		--no-deps --require-hashes -r $<
	@ln -sf ../checkov/bin/checkov $(VENV)/bin/checkov
	@touch $@
