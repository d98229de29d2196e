"""The charts as they render: `make check-artefacts` runs these, since they need helm."""
