variable "project" {
  description = "Project that the zone is in."
  type        = string
}

variable "region" {
  description = "Region of the Gateway's address."
  type        = string
}

variable "name" {
  description = "First part of the names."
  type        = string
}

variable "domain" {
  description = "Domain below which everything gets a name, without a dot at its end."
  type        = string
}

variable "labels" {
  description = "Labels of the zone."
  type        = map(string)
}
