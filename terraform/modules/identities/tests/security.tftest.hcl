mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = { name = "projects/example/serviceAccounts/account", email = "account@example.iam.gserviceaccount.com" }
  }
}

variables {
  project = "example"
  name    = "ud-test"
  release = "user-directory"
}

run "each_holds_what_it_needs_and_nothing_else" {
  command = apply

  assert {
    condition = toset(keys(google_project_iam_member.this)) == toset([
      "dns roles/dns.admin",
      "pipeline roles/container.developer",
      "pipeline roles/gkehub.gatewayEditor",
    ])
    error_message = "Somebody holds another role on the project than was decided."
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.this : !contains(["roles/owner", "roles/editor", "roles/viewer"], grant.role)])
    error_message = "Nobody may hold a basic role."
  }
}

run "each_is_lent_to_one_kubernetes_account" {
  command = apply

  assert {
    condition     = google_service_account_iam_member.kubernetes["projector"].member == "serviceAccount:example.svc.id.goog[user-directory/user-directory-projector]"
    error_message = "The projector's pods must be the projector's account."
  }

  assert {
    condition     = google_service_account_iam_member.kubernetes["relay"].member == "serviceAccount:example.svc.id.goog[user-directory/user-directory-relay]"
    error_message = "The relay's pods must be the relay's account."
  }

  assert {
    condition     = length(distinct([for one in google_service_account_iam_member.kubernetes : one.member])) == length(google_service_account.this)
    error_message = "No two accounts may be lent to one Kubernetes account."
  }
}

run "a_name_that_is_too_long_is_refused" {
  command = plan

  variables {
    name = "user-directory-development"
  }

  expect_failures = [var.name]
}
