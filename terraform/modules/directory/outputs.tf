locals {
  google_account = "iam.gke.io/gcp-service-account"
}

output "values" {
  description = "Values of charts/user-directory: terraform output -raw values >values/user-directory.yaml"
  value = yamlencode({
    image = { repository = "${module.registry.repository}/user-directory" }
    auth  = { issuer = var.issuer, jwksUrl = var.issuer_keys }
    kafka = {
      bootstrapServers  = module.log.bootstrap_servers
      partitions        = var.kafka_partitions
      replicationFactor = 3
      minInsyncReplicas = 2
    }
    settings = {
      KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
      KAFKA_SASL_MECHANISM    = "PLAIN"
      KAFKA_SASL_USERNAME     = module.log.username
    }
    externalSecret = {
      enabled = true
      store   = { name = "google", kind = "ClusterSecretStore" }
      data = {
        KAFKA_SASL_PASSWORD = { key = module.log.password_secret }
        REDIS_URL           = { key = module.cache.url_secret }
      }
      files = { REDIS_CA_FILE = { key = module.cache.ca_secret } }
    }
    components = {
      for name in ["command-api", "query-api", "projector", "relay"] : name => {
        serviceAccountAnnotations = { (local.google_account) = module.identities.emails[name] }
      }
    }
    networkPolicy = {
      kafka = { to = [{ ipBlock = { cidr = var.ranges.nodes } }], ports = [9092] }
      redis = { to = [{ ipBlock = { cidr = "${module.cache.host}/32" } }], ports = [module.cache.port] }
    }
  })
}

output "cluster" {
  description = "Name of the GKE cluster: gcloud container fleet memberships get-credentials NAME"
  value       = module.cluster.name
}

output "registry" {
  description = "Where images are pushed to."
  value       = module.registry.repository
}

output "gateway_address" {
  description = "Address that the Gateway's Service must take."
  value       = module.dns.address
}

output "name_servers" {
  description = "What the domain's parent must delegate to."
  value       = module.dns.name_servers
}

output "service_accounts" {
  description = "Service accounts by what they are for."
  value       = module.identities.emails
}
