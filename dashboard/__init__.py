"""The Grafana dashboard as code: `make dashboard` writes charts/user-directory/files/dashboard.json."""
