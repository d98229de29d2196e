output "repository" {
  description = "Where images are pushed to and pulled from, without an image's name."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${var.name}"
}
