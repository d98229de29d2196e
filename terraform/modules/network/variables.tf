variable "project" {
  description = "Project that the network is in."
  type        = string
}

variable "region" {
  description = "Region of the nodes."
  type        = string
}

variable "name" {
  description = "First part of every name."
  type        = string
}

variable "ranges" {
  description = "Address ranges, none overlapping: nodes, pods, services, and what Google's own services take."
  type = object({
    nodes    = string
    pods     = string
    services = string
    google   = string
  })

  validation {
    condition     = alltrue([for range in values(var.ranges) : can(cidrhost(range, 0))])
    error_message = "Each range must be written as ADDRESS/LENGTH, e.g. 10.10.0.0/20."
  }
}
