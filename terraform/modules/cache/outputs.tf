output "url_secret" {
  description = "Name of the secret that holds the URL of Redis."
  value       = google_secret_manager_secret.url.secret_id
}

output "host" {
  description = "Private address of the primary."
  value       = google_redis_instance.this.host
}

output "port" {
  description = "Port of the primary."
  value       = google_redis_instance.this.port
}

output "ca_secret" {
  description = "Name of the secret that holds the authority which signed the certificate of Redis."
  value       = google_secret_manager_secret.ca.secret_id
}
