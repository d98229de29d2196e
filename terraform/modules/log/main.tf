# Kafka, which holds the only truth: whatever is parked or deleted, this stays.
resource "google_managed_kafka_cluster" "this" {
  project    = var.project
  location   = var.region
  cluster_id = var.name
  labels     = var.labels

  capacity_config {
    vcpu_count   = tostring(var.vcpus)
    memory_bytes = tostring(var.vcpus * 4 * 1024 * 1024 * 1024)
  }

  gcp_config {
    access_config {
      network_configs {
        subnet = var.subnetwork
      }
    }
  }

  rebalance_config {
    mode = "AUTO_REBALANCE_ON_SCALE_UP"
  }

  lifecycle {
    prevent_destroy = true
  }
}
