variable "project" {
  description = "Id of the project; it must exist, with billing."
  type        = string
}

variable "project_number" {
  description = "Number of the project: `gcloud projects describe PROJECT --format='value(projectNumber)'`."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "The project's number has digits only; its id is another thing."
  }
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "environment" {
  description = "Name of the environment."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "The environment is dev or prod."
  }
}

variable "domain" {
  description = "Domain below which everything gets a name, e.g. apps.example.org."
  type        = string
}

variable "issuer" {
  description = "Issuer of the tokens that requests carry (`iss`)."
  type        = string
}

variable "issuer_keys" {
  description = "URL of the issuer's keys, a JWK set."
  type        = string

  validation {
    condition     = startswith(var.issuer_keys, "https://")
    error_message = "The issuer's keys are fetched with TLS alone."
  }
}

variable "release" {
  description = "Name of the Helm release."
  type        = string
  default     = "user-directory"
}

variable "ranges" {
  description = "Address ranges, none overlapping: nodes, pods, services, and what Google's own services take."
  type = object({
    nodes    = string
    pods     = string
    services = string
    google   = string
  })
}

variable "control_plane_range" {
  description = "A /28 for the control plane."
  type        = string
}

variable "release_channel" {
  description = "GKE's release channel."
  type        = string
}

variable "nodes" {
  description = "Machine type, whether machines may be taken away at any time, and nodes per zone: least and most."
  type = object({
    machine = string
    spot    = bool
    least   = number
    most    = number
  })
}

variable "kafka_vcpus" {
  description = "Size of Kafka."
  type        = number
}

variable "redis" {
  description = "Size of Redis, and its replicas."
  type = object({
    memory_gb = number
    replicas  = number
  })
}

variable "kafka_partitions" {
  description = "Partitions of the log, fixed for ever."
  type        = number
}

variable "parked" {
  description = "Whether the cluster has no nodes for now; the log is kept."
  type        = bool
  default     = false
}

variable "protected" {
  description = "Whether Terraform must refuse to delete the cluster."
  type        = bool
}
