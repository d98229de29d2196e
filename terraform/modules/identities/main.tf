# One service account for each process, which holds what that process needs and nothing else; Kubernetes lends it to the
# process's pods by Workload Identity, so there is no key that could leak.

locals {
  pool = "${var.project}.svc.id.goog"
  # As the chart names things: a release that has the chart's name in its own is not given it twice.
  chart = strcontains(var.release, "user-directory") ? var.release : "${var.release}-user-directory"

  # What each needs of the project. Kafka and Redis ask for passwords, so the processes need nothing.
  workloads = {
    command-api = { kubernetes = "user-directory/${local.chart}-command-api", roles = [] }
    query-api   = { kubernetes = "user-directory/${local.chart}-query-api", roles = [] }
    projector   = { kubernetes = "user-directory/${local.chart}-projector", roles = [] }
    relay       = { kubernetes = "user-directory/${local.chart}-relay", roles = [] }
    secrets     = { kubernetes = "external-secrets/external-secrets", roles = [] }
    dns         = { kubernetes = "cert-manager/cert-manager", roles = ["roles/dns.admin"] }
    pipeline    = { kubernetes = "concourse/concourse-worker", roles = ["roles/container.developer", "roles/gkehub.gatewayEditor"] }
  }

  grants = merge([
    for name, workload in local.workloads : {
      for role in workload.roles : "${name} ${role}" => { name = name, role = role }
    }
  ]...)
}

resource "google_service_account" "this" {
  for_each = local.workloads

  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "${each.key} of ${var.name}"
}

resource "google_service_account_iam_member" "kubernetes" {
  for_each = local.workloads

  service_account_id = google_service_account.this[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${local.pool}[${each.value.kubernetes}]"
}

resource "google_project_iam_member" "this" {
  for_each = local.grants

  project = var.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.this[each.value.name].email}"
}
