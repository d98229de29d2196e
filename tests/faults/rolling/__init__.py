"""A release that writes a new version of events comes and goes under load."""
