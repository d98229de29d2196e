variable "project" {
  description = "Id of the project; it must exist, with billing."
  type        = string
}

variable "region" {
  description = "Region of the bucket."
  type        = string
  default     = "europe-west3"
}
