# The whole environment, planned and applied; each module's tests look at what is inside.
mock_provider "google" {
  mock_resource "google_redis_instance" {
    defaults = { host = "10.16.0.3", port = 6378, auth_string = "made-up" }
  }

  mock_resource "google_service_account" {
    defaults = { name = "projects/example/serviceAccounts/account", email = "account@example.iam.gserviceaccount.com" }
  }
}

variables {
  project        = "example"
  project_number = "123456789"
  domain         = "apps.example.org"
  issuer         = "https://issuer.example.org"
  issuer_keys    = "https://issuer.example.org/jwks.json"
}

run "plan" {
  command = plan
}

run "the_chart_takes_the_values_as_they_are" {
  command = apply

  assert {
    condition     = output.values == yamlencode(yamldecode(file("../../../charts/user-directory/ci/gke-prod-values.yaml")))
    error_message = "charts/user-directory/ci/gke-prod-values.yaml, with which the chart is tested, must hold:\n${output.values}"
  }

  assert {
    condition     = output.registry == "europe-west3-docker.pkg.dev/example/ud-prod"
    error_message = "Images must go to the environment's own repository."
  }

  assert {
    condition = toset(keys(output.service_accounts)) == toset([
      "command-api", "query-api", "projector", "relay", "secrets", "dns", "pipeline",
    ])
    error_message = "Each process has a service account of its own."
  }
}
