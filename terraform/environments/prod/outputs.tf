output "values" {
  description = "Values of charts/user-directory."
  value       = module.directory.values
}

output "cluster" {
  description = "Name of the GKE cluster."
  value       = module.directory.cluster
}

output "registry" {
  description = "Where images are pushed to."
  value       = module.directory.registry
}

output "gateway_address" {
  description = "Address that the Gateway's Service must take."
  value       = module.directory.gateway_address
}

output "name_servers" {
  description = "What the domain's parent must delegate to."
  value       = module.directory.name_servers
}

output "service_accounts" {
  description = "Service accounts by what they are for."
  value       = module.directory.service_accounts
}
