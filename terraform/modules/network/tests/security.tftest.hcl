mock_provider "google" {}

variables {
  project = "example"
  region  = "europe-west3"
  name    = "ud-test"
  ranges  = { nodes = "10.10.0.0/20", pods = "10.12.0.0/14", services = "10.11.0.0/20", google = "10.16.0.0/20" }
}

run "nothing_comes_in_from_outside" {
  command = apply

  assert {
    condition     = !google_compute_network.this.auto_create_subnetworks
    error_message = "There must be no subnetworks but ours."
  }

  assert {
    condition     = google_compute_firewall.nothing_from_outside.deny[0].protocol == "all" && length(google_compute_firewall.nothing_from_outside.allow) == 0
    error_message = "The firewall must let nothing in."
  }

  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access && length(google_compute_subnetwork.nodes.log_config) == 1
    error_message = "Nodes reach Google's services without public addresses, and flows are logged."
  }

  assert {
    condition     = google_compute_router_nat.this.source_subnetwork_ip_ranges_to_nat == "LIST_OF_SUBNETWORKS"
    error_message = "Only our nodes go out through NAT."
  }

  assert {
    condition     = google_compute_global_address.services.address_type == "INTERNAL" && google_compute_global_address.services.prefix_length == 20
    error_message = "Google's services must have private addresses."
  }
}

run "a_range_that_is_none_is_refused" {
  command = plan

  variables {
    ranges = { nodes = "10.10.0.0", pods = "10.12.0.0/14", services = "10.11.0.0/20", google = "10.16.0.0/20" }
  }

  expect_failures = [var.ranges]
}
