"""Connections that need not ask what an array is.

asyncpg knows PostgreSQL's own types, but of their arrays only text's and oid's. For any other it asks the server, on
every connection anew, with a statement that takes the server longer than all that a start of the daemon reads. The
numbers of built-in types are the same in every database and every version, so what it would be told is known.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg

# The arrays that our statements take and give: type, its number, its array's number (pg_type.dat of PostgreSQL).
ARRAYS = (
    ("bool", 16, 1000),
    ("bytea", 17, 1001),
    ("int8", 20, 1016),
    ("int2", 21, 1005),
    ("int4", 23, 1007),
    ("json", 114, 199),
    ("float8", 701, 1022),
    ("varchar", 1043, 1015),
    ("date", 1082, 1182),
    ("time", 1083, 1183),
    ("timestamptz", 1184, 1185),
    ("interval", 1186, 1187),
    ("numeric", 1700, 1231),
    ("uuid", 2950, 2951),
    ("jsonb", 3802, 3807),
)
_NOTHING_MORE = dict.fromkeys(("basetype", "range_subtype", "attrtypoids", "attrnames"))
_KNOWN = {
    array: {"oid": array, "ns": "pg_catalog", "name": f"_{name}", "kind": b"b", "elemtype": element, "elemdelim": ","}
    | _NOTHING_MORE
    for name, element, array in ARRAYS
}


@dataclass(frozen=True, slots=True)
class _NotAsked:
    """Stands for the statement that asyncpg did not need; with a name it leaves the caller's own one as it is."""

    name: str = "not asked"


class KnowingConnection(asyncpg.Connection):
    """Asks the server about types of its users only."""

    _config: Any  # of asyncpg, whose stubs leave it out
    _usual: Any = None

    def wait_at_least(self, seconds: float) -> None:
        """Until it is given back, give up a server that says nothing only after so many seconds, if it ever is."""
        usual = self._config
        if usual.command_timeout is not None and usual.command_timeout < seconds:
            self._usual = self._usual or usual
            self._config = usual._replace(command_timeout=seconds)

    def _on_release(self, stacklevel: int = 1) -> None:
        super()._on_release(stacklevel=stacklevel + 1)  # type: ignore[misc]  # the stubs leave it out
        if self._usual is not None:
            self._config, self._usual = self._usual, None

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> tuple[Iterable[Any], Any]:
        if any(oid not in _KNOWN for oid in typeoids):
            asked: tuple[Iterable[Any], Any] = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
            return asked
        return [_KNOWN[oid] for oid in typeoids], _NotAsked()
