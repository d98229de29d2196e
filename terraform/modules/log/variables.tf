variable "project" {
  description = "Project that Kafka is in."
  type        = string
}

variable "region" {
  description = "Region whose zones the brokers are spread over."
  type        = string
}

variable "name" {
  description = "Name of the Kafka cluster."
  type        = string
}

variable "subnetwork" {
  description = "Id of the subnetwork that clients are in."
  type        = string
}

variable "vcpus" {
  description = "Size of the cluster; each vCPU comes with 4 GiB."
  type        = number

  validation {
    condition     = var.vcpus >= 3
    error_message = "Managed Service for Apache Kafka starts at 3 vCPUs."
  }
}

variable "labels" {
  description = "Labels of the cluster."
  type        = map(string)
}

variable "readers" {
  description = "Service accounts that may read the secret with the password, by a name of ours."
  type        = map(string)
}
