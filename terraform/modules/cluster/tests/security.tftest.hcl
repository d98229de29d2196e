mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = { email = "nodes@example.iam.gserviceaccount.com" }
  }
}

variables {
  project             = "example"
  project_number      = "123456789"
  region              = "europe-west3"
  name                = "ud-test"
  network             = "network"
  subnetwork          = "nodes"
  control_plane_range = "10.17.0.0/28"
  authorized_networks = { pods = "10.12.0.0/14" }
  release_channel     = "STABLE"
  nodes               = { machine = "e2-standard-4", spot = false, least = 1, most = 3 }
  parked              = false
  protected           = true
  labels              = { app = "user-directory" }
}

run "nothing_has_a_public_address" {
  command = apply

  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_nodes
    error_message = "The nodes must be private."
  }

  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_endpoint
    error_message = "The control plane must have no public endpoint."
  }

  assert {
    condition     = !google_container_cluster.this.master_authorized_networks_config[0].gcp_public_cidrs_access_enabled
    error_message = "Other customers of Google Cloud must not reach the control plane."
  }

  assert {
    condition = alltrue([
      for block in google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks : startswith(block.cidr_block, "10.")
    ])
    error_message = "Only private ranges may reach the control plane."
  }
}

run "nobody_is_the_default_service_account" {
  command = apply

  assert {
    condition     = google_container_node_pool.this.node_config[0].service_account == google_service_account.nodes.email
    error_message = "Nodes must run as their own service account."
  }

  assert {
    condition     = google_container_cluster.this.node_config[0].service_account == google_service_account.nodes.email
    error_message = "The pool that is removed must not run as the default service account either."
  }

  assert {
    condition     = google_container_cluster.this.remove_default_node_pool
    error_message = "The default pool must go."
  }

  assert {
    condition = toset(keys(google_project_iam_member.nodes)) == toset([
      "roles/logging.logWriter", "roles/monitoring.metricWriter", "roles/monitoring.viewer", "roles/stackdriver.resourceMetadata.writer",
    ])
    error_message = "Nodes may write logs and metrics, and no more."
  }

  assert {
    condition     = google_container_cluster.this.workload_identity_config[0].workload_pool == "example.svc.id.goog"
    error_message = "Pods must have identities of their own."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA"
    error_message = "Pods must not reach the node's identity."
  }
}

run "it_is_hardened" {
  command = apply

  assert {
    condition     = google_container_cluster.this.database_encryption[0].state == "ENCRYPTED"
    error_message = "Kubernetes Secrets must be encrypted with our key."
  }

  assert {
    condition     = google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "NetworkPolicies must be enforced."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].shielded_instance_config[0].enable_secure_boot
    error_message = "Nodes must boot securely."
  }

  assert {
    condition     = !google_container_cluster.this.master_auth[0].client_certificate_config[0].issue_client_certificate
    error_message = "There must be no client certificates."
  }

  assert {
    condition     = google_container_cluster.this.location == "europe-west3" && google_container_cluster.this.release_channel[0].channel == "STABLE"
    error_message = "The cluster must be regional, on the release channel that was asked for."
  }

  assert {
    condition     = google_container_cluster.this.deletion_protection
    error_message = "A protected cluster must not be deleted."
  }
}

run "awake_it_scales" {
  command = apply

  assert {
    condition     = google_container_node_pool.this.autoscaling[0].min_node_count == 1 && google_container_node_pool.this.autoscaling[0].max_node_count == 3
    error_message = "The pool must scale between its bounds."
  }
}

run "parked_it_has_no_nodes" {
  command = apply

  variables {
    parked = true
  }

  assert {
    condition     = google_container_node_pool.this.node_count == 0 && length(google_container_node_pool.this.autoscaling) == 0
    error_message = "Parked, there must be no node, and nothing that adds one."
  }
}

run "an_unknown_channel_is_refused" {
  command = plan

  variables {
    release_channel = "NIGHTLY"
  }

  expect_failures = [var.release_channel]
}
