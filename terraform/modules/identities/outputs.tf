output "emails" {
  description = "The accounts, by what they are for."
  value       = { for name, account in google_service_account.this : name => account.email }
}
