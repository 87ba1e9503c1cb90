"""What the query of an SQL source gives: its columns, and what becomes of each of them.

Found out from the server, which is asked for no row. Columns become attributes as JSON has them;
values that JSON or our dates cannot spell become null, and the types of columns are known fields.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import spell
from backfilld.sources.base import SourceBroken
from backfilld.sources.sql_connections import Connection

OLDEST_SERVER = 140_000
FIELD_TYPES: Mapping[str, FieldType] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), "integer"),
    **dict.fromkeys(("float4", "float8", "numeric"), "number"),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), "date"),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "uuid", "inet", "cidr", "macaddr"), "string"),
    "bool": "boolean",
}
TEXTS = ("text", "varchar", "bpchar")
LEFT_OUT = ("bytea",)  # no text, and nobody filters by it
TIMES = ("timestamptz", "timestamp", "date")
# Types whose values have no number that a double could not hold.
PLAIN = frozenset({"int2", "int4", "int8", "oid", "bool", *TIMES, "text", "varchar", "bpchar", "name", "uuid"})


@dataclass(frozen=True, slots=True)
class KeyKind:
    """How keys of one type are told from others: their text, as SQL of `{}`, and which texts can be one."""

    spelled: str
    can_be: Callable[[str], bool]


def _whole(bits: int) -> KeyKind:
    def can_be(text: str) -> bool:
        return bool(re.fullmatch("0|-?[1-9][0-9]{0,18}", text)) and -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1)

    return KeyKind("{}::text", can_be)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as PostgreSQL writes one."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


_TEXT = KeyKind("{}::text", lambda text: True)
KEYS: Mapping[str, KeyKind] = {
    "int2": _whole(16),
    "int4": _whole(32),
    "int8": _whole(64),
    # 1.0 and 1.00 are one key, so they have one spelling
    "numeric": KeyKind("trim_scale({})::text", lambda text: bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text))),
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "uuid": KeyKind("{}::text", is_uuid),
}


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is the server's own name of it."""

    name: str
    type: str

    @property
    def quoted(self) -> str:
        """As it is written in SQL."""
        return '"' + self.name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Shape:
    """Everything that is known of a query before it is run."""

    columns: tuple[Column, ...]
    key: Column
    updated_at: Column | None

    @property
    def attributes(self) -> tuple[Column, ...]:
        """The columns that become attributes."""
        return tuple(column for column in self.columns if column.type not in LEFT_OUT)

    @property
    def fields(self) -> dict[str, FieldType]:
        """The known types of attributes, keyed as filters spell them."""
        return {
            spell((column.name,)): FIELD_TYPES[column.type]
            for column in self.attributes
            if column.type in FIELD_TYPES and column.name
        }

    @property
    def floats(self) -> tuple[str, ...]:
        """The columns whose numbers are doubles, however many digits they are written with."""
        return tuple(column.name for column in self.attributes if column.type in ("float4", "float8"))

    @property
    def numerics(self) -> tuple[str, ...]:
        """The columns whose numbers may be larger than JSON can say exactly."""
        return tuple(column.name for column in self.attributes if column.type == "numeric")

    @property
    def is_plain(self) -> bool:
        """True if no number in it needs more than 64 bits, or more than a reader of JSON may lose."""
        return all(column.type in PLAIN for column in self.attributes)

    @property
    def key_kind(self) -> KeyKind:
        return KEYS[self.key.type]


async def look_at(connection: Connection, query: str, key: str, updated_at: str | None) -> Shape:
    """What the server says of a query, which is run for no row. SourceBroken if it cannot be a source."""
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    encoding = await connection.fetchval("SELECT current_setting('server_encoding')")
    if version < OLDEST_SERVER:
        raise SourceBroken(
            f"the server is PostgreSQL {version // 10_000}; {OLDEST_SERVER // 10_000} or newer is needed"
        )
    if encoding != "UTF8":
        raise SourceBroken(f"the database is encoded in {encoding}; UTF8 is needed")
    prepared = await connection.prepare(f"SELECT * FROM (\n{query}\n) AS q LIMIT 0")  # noqa: S608 # the operator's own
    if prepared.get_parameters():
        raise SourceBroken("the query must not have parameters ($1)")
    await prepared.fetch()  # so that what is forbidden is found out now
    columns = [Column(attribute.name, attribute.type.name) for attribute in prepared.get_attributes()]
    shape = shape_of(columns, key, updated_at)
    if shape.key.type in TEXTS:
        await _require_strict_collation(connection, query, shape.key)
    return shape


async def _require_strict_collation(connection: Connection, query: str, key: Column) -> None:
    """Where different texts are equal, paging by them would lose some."""
    strict = await connection.fetchval(
        f"""
        SELECT c.collisdeterministic
          FROM (SELECT pg_collation_for(q.{key.quoted}) AS name
                  FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM (\n{query}\n) AS q LIMIT 0) AS q ON true) AS found
          JOIN pg_collation AS c ON c.oid = found.name::regcollation
        """  # noqa: S608 # the operator's own
    )
    if strict is False:
        raise SourceBroken(
            f"the key '{key.name}' has a collation in which different texts are equal; add COLLATE \"C\""
        )


def shape_of(columns: list[Column], key: str, updated_at: str | None) -> Shape:
    """SourceBroken if the query cannot be used with this key and this time."""
    names = [column.name for column in columns]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SourceBroken(f"the query gives two columns named '{doubles[0]}'; rename one with AS")
    by_name = {column.name: column for column in columns}
    key_column = _column(by_name, key, "key")
    if key_column.type not in KEYS:
        wanted = ", ".join(KEYS)
        raise SourceBroken(f"the key '{key}' is of type {key_column.type}, not one of {wanted}; cast it to text")
    time_column = None if updated_at is None else _column(by_name, updated_at, "updated_at")
    if time_column is not None and time_column.type not in TIMES:
        raise SourceBroken(f"updated_at '{updated_at}' is of type {time_column.type}, not one of {', '.join(TIMES)}")
    return Shape(tuple(columns), key_column, time_column)


def _column(by_name: Mapping[str, Column], name: str, what: str) -> Column:
    if name not in by_name:
        there = ", ".join(list(by_name)[:20])
        raise SourceBroken(f"the query gives no column '{name}', which is named as its {what}; it gives {there}")
    return by_name[name]
