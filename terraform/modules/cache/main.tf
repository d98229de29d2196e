# Redis: one primary with replicas, cluster mode off. It never evicts: what it holds is complete or not there.
resource "google_redis_instance" "this" {
  project        = var.project
  region         = var.region
  name           = var.name
  display_name   = "Read models of the user directory"
  tier           = "STANDARD_HA"
  memory_size_gb = var.memory_gb
  redis_version  = "REDIS_7_2"

  replica_count      = var.replicas
  read_replicas_mode = "READ_REPLICAS_ENABLED"

  authorized_network      = var.network
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"

  redis_configs = {
    maxmemory-policy = "noeviction"
    maxmemory-gb     = tostring(var.memory_gb * 0.8)
  }

  persistence_config {
    persistence_mode = "DISABLED"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"

      start_time {
        hours   = 3
        minutes = 0
        seconds = 0
        nanos   = 0
      }
    }
  }

  labels = var.labels
}

# The processes take the URL, password and all, from here.
resource "google_secret_manager_secret" "url" {
  project   = var.project
  secret_id = "${var.name}-redis-url"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "url" {
  secret      = google_secret_manager_secret.url.id
  secret_data = "rediss://:${google_redis_instance.this.auth_string}@${google_redis_instance.this.host}:${google_redis_instance.this.port}/0"
}

# No public authority has signed the certificate of Redis, but one of its own.
resource "google_secret_manager_secret" "ca" {
  project   = var.project
  secret_id = "${var.name}-redis-ca"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "ca" {
  secret      = google_secret_manager_secret.ca.id
  secret_data = join("\n", google_redis_instance.this.server_ca_certs[*].cert)
}

resource "google_secret_manager_secret_iam_member" "ca_readers" {
  for_each = var.readers

  project   = var.project
  secret_id = google_secret_manager_secret.ca.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${each.value}"
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = var.readers

  project   = var.project
  secret_id = google_secret_manager_secret.url.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${each.value}"
}
