mock_provider "google" {}

variables {
  project    = "example"
  region     = "europe-west3"
  name       = "ud-test"
  subnetwork = "projects/example/regions/europe-west3/subnetworks/ud-test-nodes"
  vcpus      = 3
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

run "too_small_is_refused" {
  command = plan

  variables {
    vcpus = 2
  }

  expect_failures = [var.vcpus]
}
