"""Where the database is, and what stands in between."""

from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """How PostgreSQL is reached.

    `schema`: where our tables are (None: where the role's search_path leads). `pooled`: through a pooler that may give
    every transaction another session, so nothing of a session may be relied on.
    """

    dsn: str = field(repr=False)
    schema: str | None = None
    pooled: bool = False

    @property
    def name(self) -> str:
        """Host and database for people, without user and password."""
        parts = urlsplit(self.dsn)
        return f"{parts.hostname or 'local socket'}{f':{parts.port}' if parts.port else ''}{parts.path}"


Located: TypeAlias = str | Address  # a bare DSN is an address without anything special


def address_of(database: Located) -> Address:
    """The address that is meant."""
    return database if isinstance(database, Address) else Address(database)
