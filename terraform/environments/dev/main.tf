# Small, on machines that may be taken away, and it can be parked: make cloud-down, make cloud-up.
module "directory" {
  source = "../../modules/directory"

  project        = var.project
  project_number = var.project_number
  region         = var.region
  domain         = var.domain
  issuer         = var.issuer
  issuer_keys    = var.issuer_keys
  environment    = "dev"
  parked         = var.parked
  protected      = false

  ranges = {
    nodes    = "10.10.0.0/20"
    pods     = "10.12.0.0/14"
    services = "10.11.0.0/20"
    google   = "10.16.0.0/20"
  }
  control_plane_range = "10.17.0.0/28"
  release_channel     = "REGULAR"
  nodes               = { machine = "e2-standard-4", spot = true, least = 1, most = 2 }
  kafka_vcpus         = 3
  kafka_partitions    = 12
  redis               = { memory_gb = 5, replicas = 1 }
}
