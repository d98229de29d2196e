"""What other teams are promised: JSON Schemas, AsyncAPI and their page, made from the models of `events`."""
