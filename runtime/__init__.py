"""What every process of the user directory needs to be a good service: settings, logs, metrics, health, problems."""
