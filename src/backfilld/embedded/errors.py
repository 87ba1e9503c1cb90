"""What can go wrong with the embedded PostgreSQL, in words that an operator can act upon."""


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


class BinariesMissing(EmbeddedError):
    """No PostgreSQL binaries were found anywhere."""


class DirectoryInUse(EmbeddedError):
    """Another process runs the server of this directory."""


class ServerDidNotStart(EmbeddedError):
    """PostgreSQL ended, or said nothing for too long; the message ends with its last words."""
