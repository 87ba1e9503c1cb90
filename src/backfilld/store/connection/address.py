"""Where the database is, and what stands in between."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]*))?")
LARGEST_PORT = 65_535
WRITES = "read-write"


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
        hosts = (f"{host}:{port}" if port else host for host, port in hosts_of(self.dsn))
        return f"{','.join(hosts) or 'local socket'}{urlsplit(self.dsn).path}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names or addresses of the machines; none for a socket."""
        return tuple(host.strip("[]") for host, _ in hosts_of(self.dsn))


Located: TypeAlias = str | Address  # a bare DSN is an address without anything special


def address_of(database: Located) -> Address:
    """The address that is meant."""
    return database if isinstance(database, Address) else Address(database)


def hosts_of(dsn: str) -> tuple[tuple[str, int | None], ...]:
    """Host and port of each server that a DSN names, in lower case; ValueError, which repeats nothing of it."""
    try:
        netloc = urlsplit(dsn).netloc.rpartition("@")[2]
    except ValueError:  # whose words may hold the password
        raise ValueError("is not a URL") from None
    found = []
    for part in netloc.split(",") if netloc else ():
        match = _HOST.fullmatch(part)
        port = int(match[2]) if match is not None and match[2] else None
        if match is None or (port is not None and not 0 < port <= LARGEST_PORT) or (not match[1] and "," in netloc):
            raise ValueError(f"host and port must be written host:port, with a port from 1 to {LARGEST_PORT}")
        if match[1]:
            found.append((match[1].lower(), port))
    return tuple(found)


def with_parameters(dsn: str, parameters: Sequence[tuple[str, str]]) -> str:
    """The DSN with these in place of what it says of them."""
    parts, names = urlsplit(dsn), {name for name, _ in parameters}
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in names]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters])))


def session_attribute(dsn: str) -> str | None:
    """Which of several servers is wanted, if the DSN says so."""
    return dict(parse_qsl(urlsplit(dsn).query)).get("target_session_attrs")


def each_alone(dsn: str) -> tuple[str, ...]:
    """For each of the servers a DSN that names it alone."""
    parts, hosts = urlsplit(dsn), hosts_of(dsn)
    if len(hosts) < 2:
        return (dsn,)
    user, at, _ = parts.netloc.rpartition("@")
    places = (host if port is None else f"{host}:{port}" for host, port in hosts)
    return tuple(urlunsplit(parts._replace(netloc=f"{user}{at}{place}")) for place in places)


def writing(dsn: str) -> str:
    """The DSN; of several servers it means the one that takes changes, unless it says something else."""
    if len(hosts_of(dsn)) < 2 or session_attribute(dsn) is not None:
        return dsn
    return with_parameters(dsn, [("target_session_attrs", WRITES)])
