# The domain, and one address for everything below it: the Gateway's.
resource "google_compute_address" "gateway" {
  project      = var.project
  region       = var.region
  name         = "${var.name}-gateway"
  address_type = "EXTERNAL"
}

resource "google_dns_managed_zone" "this" {
  project     = var.project
  name        = var.name
  dns_name    = "${var.domain}."
  description = "The user directory and what surrounds it"
  labels      = var.labels

  dnssec_config {
    state = "on"

    default_key_specs {
      key_type   = "keySigning"
      algorithm  = "ecdsap256sha256"
      key_length = 256
    }

    default_key_specs {
      key_type   = "zoneSigning"
      algorithm  = "ecdsap256sha256"
      key_length = 256
    }
  }

  cloud_logging_config {
    enable_logging = true
  }
}

resource "google_dns_record_set" "everything" {
  project      = var.project
  managed_zone = google_dns_managed_zone.this.name
  name         = "*.${var.domain}."
  type         = "A"
  ttl          = 300
  rrdatas      = [google_compute_address.gateway.address]
}
