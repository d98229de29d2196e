variable "project" {
  description = "Project that the accounts are in."
  type        = string
}

variable "name" {
  description = "First part of the accounts' ids."
  type        = string

  validation {
    condition     = length("${var.name}-command-api") <= 30
    error_message = "An account's id has 30 characters at most, so the name may have 18."
  }
}

variable "release" {
  description = "Name of the Helm release, which the Kubernetes service accounts begin with."
  type        = string
}
