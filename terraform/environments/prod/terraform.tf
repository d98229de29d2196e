terraform {
  required_version = ">= 1.7"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # Which bucket: terraform init -backend-config=bucket=NAME. ../../state makes it.
  backend "gcs" {
    prefix = "user-directory/prod"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
