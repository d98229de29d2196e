"""What pipelines do beside building and testing: tell Slack, read Sonar's gate and the registry, package the chart."""
