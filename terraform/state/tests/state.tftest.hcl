mock_provider "google" {}

variables {
  project = "example"
}

run "the_state_is_private_and_can_be_brought_back" {
  command = apply

  assert {
    condition     = google_storage_bucket.state.public_access_prevention == "enforced" && google_storage_bucket.state.uniform_bucket_level_access
    error_message = "The state must never be public."
  }

  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled && !google_storage_bucket.state.force_destroy
    error_message = "Former states must be kept."
  }

  assert {
    condition     = contains(keys(google_project_service.this), "managedkafka") && contains(keys(google_project_service.this), "container")
    error_message = "The services that are used must be switched on."
  }
}
