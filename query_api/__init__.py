"""The read side: HTTP over the Redis read models."""
