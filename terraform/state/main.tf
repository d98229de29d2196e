# Once per project, before everything else, with local state: the services that are used, and the bucket of the state.

terraform {
  required_version = ">= 1.7"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

locals {
  services = [
    "artifactregistry", "binaryauthorization", "cloudkms", "compute", "connectgateway", "container", "containersecurity",
    "dns", "gkeconnect", "gkehub", "iam", "logging", "managedkafka", "monitoring", "redis", "secretmanager",
    "servicenetworking", "sts",
  ]
}

resource "google_project_service" "this" {
  for_each = toset(local.services)

  project            = var.project
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

# The state holds the password of Redis: only who may read secrets may read this bucket.
resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:the audit log of the project tells who read it
  project                     = var.project
  name                        = "${var.project}-terraform-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      num_newer_versions = 30
    }

    action {
      type = "Delete"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
