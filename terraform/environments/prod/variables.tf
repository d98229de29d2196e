variable "project" {
  description = "Id of the project; it must exist, with billing."
  type        = string
}

variable "project_number" {
  description = "Number of the project: `gcloud projects describe PROJECT --format='value(projectNumber)'`."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "europe-west3"
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
}
