# Everything that a user directory on Google Cloud stands on. The environments differ in sizes alone.

locals {
  name   = "ud-${var.environment}"
  labels = { app = "user-directory", environment = var.environment }
}

module "network" {
  source = "../network"

  project = var.project
  region  = var.region
  name    = local.name
  ranges  = var.ranges
}

module "identities" {
  source = "../identities"

  project = var.project
  name    = local.name
  release = var.release
}

module "cluster" {
  source = "../cluster"

  project             = var.project
  project_number      = var.project_number
  region              = var.region
  name                = local.name
  network             = module.network.network
  subnetwork          = module.network.subnetwork
  control_plane_range = var.control_plane_range
  authorized_networks = { pods = var.ranges.pods }
  release_channel     = var.release_channel
  nodes               = var.nodes
  parked              = var.parked
  protected           = var.protected
  labels              = local.labels
}

module "registry" {
  source = "../registry"

  project = var.project
  region  = var.region
  name    = local.name
  readers = { nodes = module.cluster.node_service_account }
  writers = { pipeline = module.identities.emails["pipeline"] }
}

module "log" {
  source = "../log"

  project    = var.project
  region     = var.region
  name       = local.name
  subnetwork = module.network.subnetwork
  vcpus      = var.kafka_vcpus
  readers    = { secrets = module.identities.emails["secrets"] }
  labels     = local.labels
}

module "cache" {
  source = "../cache"

  project   = var.project
  region    = var.region
  name      = local.name
  network   = module.network.network
  memory_gb = var.redis.memory_gb
  replicas  = var.redis.replicas
  readers   = { secrets = module.identities.emails["secrets"] }
  labels    = local.labels
}

module "dns" {
  source = "../dns"

  project = var.project
  region  = var.region
  name    = local.name
  domain  = var.domain
  labels  = local.labels
}
