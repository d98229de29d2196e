mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = { name = "projects/example/serviceAccounts/account", email = "account@example.iam.gserviceaccount.com" }
  }

  mock_resource "google_service_account_key" {
    defaults = { private_key = "bWFkZS11cA==" }
  }
}

variables {
  project    = "example"
  region     = "europe-west3"
  name       = "ud-test"
  subnetwork = "projects/example/regions/europe-west3/subnetworks/ud-test-nodes"
  vcpus      = 3
  readers    = { secrets = "secrets@example.iam.gserviceaccount.com" }
  labels     = { app = "user-directory" }
}

run "it_is_in_our_network_alone" {
  command = apply

  assert {
    condition     = google_managed_kafka_cluster.this.gcp_config[0].access_config[0].network_configs[*].subnet == tolist([var.subnetwork])
    error_message = "Kafka must be reachable from our nodes alone."
  }

  assert {
    condition     = google_managed_kafka_cluster.this.capacity_config[0].memory_bytes == "12884901888"
    error_message = "Each vCPU comes with 4 GiB."
  }

  assert {
    condition     = output.bootstrap_servers == "bootstrap.ud-test.europe-west3.managedkafka.example.cloud.goog:9092"
    error_message = "The brokers' address is wrong."
  }
}

run "its_clients_have_a_password_and_may_do_nothing_else" {
  command = apply

  assert {
    condition     = google_project_iam_member.client.role == "roles/managedkafka.client"
    error_message = "The clients' account may use Kafka, and nothing else."
  }

  assert {
    condition     = google_secret_manager_secret_version.password.secret_data == "bWFkZS11cA=="
    error_message = "The brokers want the key in base64, as it comes."
  }

  assert {
    condition     = output.username == "account@example.iam.gserviceaccount.com" && output.password_secret == "ud-test-kafka-password"
    error_message = "The chart is told another name or secret."
  }

  assert {
    condition     = keys(google_secret_manager_secret_iam_member.readers) == ["secrets"]
    error_message = "Only those named may read the secret."
  }
}

run "too_small_is_refused" {
  command = plan

  variables {
    vcpus = 2
  }

  expect_failures = [var.vcpus]
}
