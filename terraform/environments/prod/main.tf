# What is meant to last: no spot machines, two replicas of Redis, and Terraform refuses to delete the cluster.
module "directory" {
  source = "../../modules/directory"

  project        = var.project
  project_number = var.project_number
  region         = var.region
  domain         = var.domain
  issuer         = var.issuer
  issuer_keys    = var.issuer_keys
  environment    = "prod"
  protected      = true

  ranges = {
    nodes    = "10.20.0.0/20"
    pods     = "10.24.0.0/14"
    services = "10.21.0.0/20"
    google   = "10.28.0.0/20"
  }
  control_plane_range = "10.29.0.0/28"
  release_channel     = "STABLE"
  nodes               = { machine = "n2-standard-4", spot = false, least = 1, most = 4 }
  kafka_vcpus         = 6
  kafka_partitions    = 48
  redis               = { memory_gb = 32, replicas = 2 }
}
