"""The chart on a real Kubernetes: `make test-cluster`, see docs/deploy.md."""
