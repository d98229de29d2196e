# The clients show Kafka a name and a password; Google takes an account's name and its key for them. The account may do
# nothing else, and its key is in the state and in the secret alone (docs/adr/0710).
resource "google_service_account" "client" {
  project      = var.project
  account_id   = "${var.name}-kafka"
  display_name = "Clients of Kafka of ${var.name}"
}

resource "google_project_iam_member" "client" {
  project = var.project
  role    = "roles/managedkafka.client"
  member  = "serviceAccount:${google_service_account.client.email}"
}

resource "google_service_account_key" "client" {
  service_account_id = google_service_account.client.name
}

resource "google_secret_manager_secret" "password" {
  project   = var.project
  secret_id = "${var.name}-kafka-password"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "password" {
  secret = google_secret_manager_secret.password.id
  # Base64, as it comes and as the brokers want it.
  secret_data = google_service_account_key.client.private_key
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = var.readers

  project   = var.project
  secret_id = google_secret_manager_secret.password.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${each.value}"
}
