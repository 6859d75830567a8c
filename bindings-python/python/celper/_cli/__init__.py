"""The command ``celper``. Only the command imports this; ``import celper`` does not."""


class UsageError(Exception):
    """What was asked for cannot be done as it stands, and nothing was sent. The message says what to change."""


class OutputError(Exception):
    """Standard output or standard error cannot be written, because the disk behind it is full for example."""
