variable "project" {
  description = "Project that the repository is in."
  type        = string
}

variable "region" {
  description = "Region of the repository."
  type        = string
}

variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "readers" {
  description = "Service accounts that pull, by a name of ours."
  type        = map(string)
}

variable "writers" {
  description = "Service accounts that push, by a name of ours."
  type        = map(string)
}
