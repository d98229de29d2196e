output "bootstrap_servers" {
  description = "The brokers to ask first."
  value       = "bootstrap.${var.name}.${var.region}.managedkafka.${var.project}.cloud.goog:9092"
}
