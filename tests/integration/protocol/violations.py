"""What a schedule fails with."""


class Violation(AssertionError):
    """Something that the protocol promises did not hold."""


class Mismatch(Violation):
    """The read models are not what the log says."""
