"""Rules and dashboard, with the real Prometheus: `make test-operations`; the rest is part of `make check-artefacts`."""
