mock_provider "google" {}

variables {
  project = "example"
  region  = "europe-west3"
  name    = "ud-test"
  readers = { nodes = "nodes@example.iam.gserviceaccount.com" }
  writers = { pipeline = "pipeline@example.iam.gserviceaccount.com" }
}

run "tags_never_move_and_few_may_push" {
  command = apply

  assert {
    condition     = google_artifact_registry_repository.this.docker_config[0].immutable_tags
    error_message = "A tag must name one image for ever."
  }

  assert {
    condition     = keys(google_artifact_registry_repository_iam_member.writers) == ["pipeline"]
    error_message = "Only the pipeline may push."
  }

  assert {
    condition = alltrue([
      for member in concat(values(google_artifact_registry_repository_iam_member.readers), values(google_artifact_registry_repository_iam_member.writers)) :
      startswith(member.member, "serviceAccount:")
    ])
    error_message = "The repository must not be public."
  }

  assert {
    condition     = output.repository == "europe-west3-docker.pkg.dev/example/ud-test"
    error_message = "The repository's address is wrong."
  }
}
