"""The command line: `python -m user_directory_events`."""
