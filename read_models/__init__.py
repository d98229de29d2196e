"""The Redis schema that the processes share: key names, the shapes of values, and the scripts."""
