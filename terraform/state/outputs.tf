output "bucket" {
  description = "For terraform init -backend-config=bucket=NAME in each environment."
  value       = google_storage_bucket.state.name
}
