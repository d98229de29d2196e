output "address" {
  description = "Address that the Gateway's Service must take."
  value       = google_compute_address.gateway.address
}

output "name_servers" {
  description = "What the domain's parent must delegate to."
  value       = google_dns_managed_zone.this.name_servers
}
