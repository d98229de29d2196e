variable "project" {
  description = "Project that the cluster is in."
  type        = string
}

variable "project_number" {
  description = "Number of the project, by which Google names its own service accounts in it."
  type        = string
}

variable "region" {
  description = "Region that the control plane and the nodes are spread over."
  type        = string
}

variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "network" {
  description = "Id of the network."
  type        = string
}

variable "subnetwork" {
  description = "Id of the nodes' subnetwork, with the secondary ranges `pods` and `services`."
  type        = string
}

variable "control_plane_range" {
  description = "A /28 for the control plane."
  type        = string
}

variable "authorized_networks" {
  description = "Private ranges beside the nodes' that may reach the control plane, by name."
  type        = map(string)
  default     = {}
}

variable "release_channel" {
  description = "GKE's release channel: RAPID, REGULAR or STABLE."
  type        = string

  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE"], var.release_channel)
    error_message = "The release channel must be RAPID, REGULAR or STABLE."
  }
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

variable "parked" {
  description = "Whether the cluster has no nodes for now."
  type        = bool
}

variable "protected" {
  description = "Whether Terraform must refuse to delete the cluster."
  type        = bool
}

variable "labels" {
  description = "Labels of cluster and nodes."
  type        = map(string)
}
