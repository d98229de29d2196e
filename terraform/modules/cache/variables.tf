variable "project" {
  description = "Project that Redis is in."
  type        = string
}

variable "region" {
  description = "Region whose zones primary and replicas are spread over."
  type        = string
}

variable "name" {
  description = "Name of the instance."
  type        = string
}

variable "network" {
  description = "Id of the network that may reach it."
  type        = string
}

variable "memory_gb" {
  description = "Memory; read replicas need 5 GB at least."
  type        = number

  validation {
    condition     = var.memory_gb >= 5
    error_message = "Memorystore has read replicas from 5 GB on."
  }
}

variable "replicas" {
  description = "Replicas beside the primary, 1 to 5."
  type        = number

  validation {
    condition     = var.replicas >= 1 && var.replicas <= 5
    error_message = "Memorystore has 1 to 5 replicas."
  }
}

variable "readers" {
  description = "Service accounts that may read the secret with the URL, by a name of ours."
  type        = map(string)
}

variable "labels" {
  description = "Labels of the instance."
  type        = map(string)
}
