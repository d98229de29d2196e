mock_provider "google" {
  mock_resource "google_redis_instance" {
    defaults = {
      host            = "10.16.0.3"
      port            = 6378
      auth_string     = "made-up"
      server_ca_certs = [{ cert = "old" }, { cert = "new" }]
    }
  }
}

variables {
  project   = "example"
  region    = "europe-west3"
  name      = "ud-test"
  network   = "projects/example/global/networks/ud-test"
  memory_gb = 5
  replicas  = 2
  readers   = { secrets = "secrets@example.iam.gserviceaccount.com" }
  labels    = { app = "user-directory" }
}

run "it_is_private_and_encrypted_and_asks_for_a_password" {
  command = apply

  assert {
    condition     = google_redis_instance.this.connect_mode == "PRIVATE_SERVICE_ACCESS" && google_redis_instance.this.authorized_network == var.network
    error_message = "Redis must have a private address in our network alone."
  }

  assert {
    condition     = google_redis_instance.this.auth_enabled && google_redis_instance.this.transit_encryption_mode == "SERVER_AUTHENTICATION"
    error_message = "Redis must ask for a password and encrypt."
  }

  assert {
    condition     = google_secret_manager_secret_version.url.secret_data == "rediss://:made-up@10.16.0.3:6378/0"
    error_message = "The secret must hold the URL, with TLS."
  }

  assert {
    condition     = google_secret_manager_secret_version.ca.secret_data == "old\nnew"
    error_message = "The processes must know every authority that may sign the certificate of Redis."
  }

  assert {
    condition = alltrue([for one in [google_secret_manager_secret_iam_member.readers, google_secret_manager_secret_iam_member.ca_readers] :
    keys(one) == ["secrets"]])
    error_message = "Only those named may read the secrets."
  }
}

run "it_never_evicts_and_has_replicas" {
  command = apply

  assert {
    condition     = google_redis_instance.this.redis_configs["maxmemory-policy"] == "noeviction"
    error_message = "Redis must never evict."
  }

  assert {
    condition     = google_redis_instance.this.tier == "STANDARD_HA" && google_redis_instance.this.replica_count == 2
    error_message = "One primary with replicas, cluster mode off."
  }
}

run "replicas_need_memory" {
  command = plan

  variables {
    memory_gb = 1
  }

  expect_failures = [var.memory_gb]
}
