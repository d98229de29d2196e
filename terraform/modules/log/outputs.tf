output "bootstrap_servers" {
  description = "The brokers to ask first."
  value       = "bootstrap.${var.name}.${var.region}.managedkafka.${var.project}.cloud.goog:9092"
}

output "username" {
  description = "Name that the clients show the brokers."
  value       = google_service_account.client.email
}

output "password_secret" {
  description = "Name of the secret that holds the password to it."
  value       = google_secret_manager_secret.password.secret_id
}
