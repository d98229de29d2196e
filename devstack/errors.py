"""What the local stack says when it cannot go on."""


class DevstackError(Exception):
    """The stack cannot go on; the message is one line that says what to do."""
