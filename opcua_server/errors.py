"""What this room raises on purpose."""


class ServerError(Exception):
    """The server cannot start or go on; the text is one line and says what to do."""
