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
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
check: $(VENV)/dev.stamp ## Format, lint, types, import rules, unit and property tests; needs no services
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	$(VENV)/bin/lint-imports
	$(PY) -m pip check
	$(PY) -m pytest tests/unit tests/property

.PHONY: test
test: $(VENV)/dev.stamp ## Every test, against real Kafka and Redis
	$(PY) -m pytest

# Another image: make image IMAGE=registry.example.org/user-directory:1.2.3 BASE_IMAGE=python:3.13-slim@sha256:...
IMAGE ?= user-directory:dev
.PHONY: image
image: ## Build the image of every process (IMAGE=name:tag, BASE_IMAGE=, DOCKER_BUILD=options)
	docker build $(DOCKER_BUILD) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
		--build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		--build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) --tag $(IMAGE) .

.PHONY: smoke
smoke: $(VENV)/dev.stamp ## Try a running directory: URL=http://... [READS=url] [KILL='command']
	@test -n "$(URL)" || { echo "say where it runs: make smoke URL=http://127.0.0.1:8000" >&2; exit 1; }
	@$(PY) tests/smoke.py $(URL) $(if $(READS),--reads $(READS)) $(if $(KILL),--kill '$(KILL)')

.PHONY: check-artefacts
check-artefacts: $(VENV)/artefacts.stamp ## Check Dockerfile, compose, charts, scripts and AsyncAPI with their tools (PLANTED=1: check the checks)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m tests.artefacts $(if $(PLANTED),--planted)

.PHONY: test-cluster
test-cluster: $(VENV)/dev.stamp ## Try the chart on the cluster of KUBECONFIG: IMAGE= CHANGED_IMAGE= [CRDS=] [STEPS=]
	@test -n "$(CHANGED_IMAGE)" || { echo "name two images that the cluster has: make test-cluster IMAGE=a CHANGED_IMAGE=b" >&2; exit 1; }
	@IMAGE=$(IMAGE) CHANGED_IMAGE=$(CHANGED_IMAGE) CRDS=$(CRDS) $(PY) -m tests.cluster $(STEPS)

.PHONY: test-installer
test-installer: $(VENV)/dev.stamp ## Try charts/install-helm.sh on a throw-away cluster of KUBECONFIG: CRDS=folder
	@test -n "$(CRDS)" || { echo "name the folder of CRDs: make test-installer CRDS=folder" >&2; exit 1; }
	@CRDS=$(CRDS) $(PY) -m pytest tests/cluster

.PHONY: bench
bench: $(VENV)/dev.stamp ## Measure the rates against a plain CRUD service
	@$(PY) -m benchmarks.against_crud

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
	$(UV_LOCK) $(PROJECTS) -c requirements/dev.txt -o requirements/runtime.txt
	$(UV_LOCK) $(PROJECTS) --group devstack -c requirements/dev.txt -o requirements/devstack.txt
	$(UV_LOCK) --group java -o requirements/java.txt
	$(UV_LOCK) --group artefacts -c requirements/dev.txt -o requirements/artefacts.txt

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
