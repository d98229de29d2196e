"""Check the artefacts with their own tools: `make check-artefacts`."""
