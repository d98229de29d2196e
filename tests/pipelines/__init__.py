"""The pipelines' jobs, run as Concourse runs them, against doubles of those whom they talk to."""
