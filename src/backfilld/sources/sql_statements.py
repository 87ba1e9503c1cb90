"""The statements of an SQL source, built around the query that the operator wrote.

The query stands in the innermost FROM, so that the server can merge it with our conditions and use its indexes. The
layer around it makes JSON of the rows that are left, once a row (OFFSET 0 keeps it from being taken apart again); the
outermost one tests the filter on that very JSON, so that SQL decides as the predicate would. Values are parameters,
names are quoted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.filters import MatchAll, Tree
from backfilld.sources.base import Order
from backfilld.sources.sql_pushdown import column_conditions
from backfilld.sources.sql_shape import Column, Shape
from backfilld.store.entities.filters import to_sql

_LARGEST = {"float4": "3.4028235e38", "float8": "1.7976931348623157e308"}
_FIRST, _LAST = "'0001-01-01 00:00+00'::timestamptz", "'9999-12-31 23:59:59.999999+00'::timestamptz"
# What is outside counts as without a time. In the column's own type, so that an index on it can be used.
_TIMES = {
    "timestamptz": (_FIRST, _LAST),
    "timestamp": ("'0001-01-02'::timestamp", "'9999-12-30'::timestamp"),
    "date": ("'0001-01-02'::date", "'9999-12-30'::date"),
}


@dataclass(frozen=True, slots=True)
class Behind:
    """Where in an order a page begins: behind this key and, among what has a time, this one as the column has it."""

    key: str
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list by keyset. Orders by time are two of them: what has a time, and then what has none."""

    order: Order = "source"
    timed: bool = False

    @staticmethod
    def in_order(order: Order, shape: Shape) -> "tuple[Listed, ...]":
        """All the lists of an order, one after the other; without a time all there is is that of the key."""
        if order == "source" or shape.updated_at is None:
            return (Listed(),)
        return (Listed(order, True), Listed(order, False))


@dataclass(slots=True)
class Statement:
    """One statement on the rows of `query`, under construction. `zone` is where times without a zone are."""

    query: str
    shape: Shape
    zone: str
    parameters: list[Any] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"q.{self.shape.key.quoted}"

    def parameter(self, value: Any, sql_type: str) -> str:
        """A typed placeholder for a value."""
        self.parameters.append(value)
        return f"${len(self.parameters)}::{sql_type}"

    def take_list(self, listed: Listed) -> None:
        """Leave out what is on another list."""
        if listed.order != "source":
            first, last = _TIMES[self._time_column.type]
            within = f"{self._sort_time} BETWEEN {first} AND {last}"
            self.conditions.append(within if listed.timed else f"({within}) IS NOT TRUE")

    def start_behind(self, listed: Listed, place: Behind) -> None:
        """Leave out what comes before, in the order of the columns themselves, which their indexes have."""
        at = f"{self.parameter(place.key, 'text')}::{self.shape.key.type}"
        sign = "<" if listed.order == "newest_first" else ">"
        if listed.timed:
            time = f"{self.parameter(place.time, 'text')}::{self._time_column.type}"
            self.conditions.append(f"({self._sort_time}, {self.key}) {sign} ({time}, {at})")
        else:
            self.conditions.append(f"{self.key} {sign} {at}")

    def take_only(self, keys: Sequence[str]) -> None:
        """Leave out other keys than these, each of which the key's type can be."""
        keys_given = f"{self.parameter(list(keys), 'text[]')}::{self.shape.key.type}[]"
        self.conditions.append(f"{self.key} = ANY ({keys_given})")

    def leave_out_null_keys(self) -> None:
        self.conditions.append(f"{self.key} IS NOT NULL")

    def rows(
        self, tree: Tree | None, listed: Listed | None = None, *, attributes: bool = True, tested: bool = True
    ) -> str:
        """(id, updated_at, place, attributes as text) of what is left and matches `tree`, or somewhat more.

        `place` is the time as its column has it. Not `tested`: nothing is asked of the JSON of a row.
        In the order of the inner rows, which the layer around them keeps: it only tests them one by one. Were the order
        asked for there again, no LIMIT behind it would be known further in, and the server would read and sort
        everything for each page.
        """
        tests = tested and _tests(tree)
        inner = self._inner(tree, listed, attributes=attributes or tests)
        shown = "e.attributes::text" if attributes else "NULL::text"
        where = self._where(tree) if tests else ""
        return f"SELECT e.id, e.updated_at, e.place, {shown} AS attributes FROM ({inner}) AS e{where}"  # noqa: S608

    def count(self, tree: Tree | None) -> str:
        """How many there are of them."""
        inner = self._inner(tree, None, attributes=_tests(tree))
        return f"SELECT count(*) FROM ({inner}) AS e{self._where(tree)}"  # noqa: S608

    def null_keys(self) -> str:
        """A row for every key that is null."""
        return f"SELECT 1 FROM (\n{self.query}\n) AS q WHERE {self.key} IS NULL"  # noqa: S608

    def value(self, column: Column) -> str:
        """One attribute of what is left, as it would be read."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        return f"SELECT to_jsonb({self._json_value(column)}) FROM (\n{self.query}\n) AS q{where}"  # noqa: S608

    def _inner(self, tree: Tree | None, listed: Listed | None, *, attributes: bool) -> str:
        made = f" CROSS JOIN LATERAL (SELECT {self._columns()}) AS n" if attributes else ""
        conditions = [*self.conditions, *column_conditions(tree, self.shape, self.zone, self.parameter)]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        place = f"{self._sort_time}::text" if listed is not None and listed.timed else "NULL::text"
        return (
            f"SELECT {self.shape.key_kind.spelled.format(self.key)} AS id, {self._time()} AS updated_at,"  # noqa: S608
            f" {place} AS place, {'to_jsonb(n.*)' if attributes else 'NULL::jsonb'} AS attributes"
            f" FROM (\n{self.query}\n) AS q{made}{where}{self._order_by(listed)} OFFSET 0"
        )

    def _order_by(self, listed: Listed | None) -> str:
        if listed is None:
            return ""
        direction = " DESC" if listed.order == "newest_first" else ""
        columns = [self._sort_time, self.key] if listed.timed else [self.key]
        return " ORDER BY " + ", ".join(column + direction for column in columns)

    def _columns(self) -> str:
        return ", ".join(f"{self._json_value(one)} AS {one.quoted}" for one in self.shape.attributes)

    def _where(self, tree: Tree | None) -> str:
        if tree is None or not _tests(tree):
            return ""
        condition = to_sql(tree, column="e.attributes", first_parameter=len(self.parameters) + 1)
        self.parameters += condition.parameters
        return f" WHERE {condition.sql}"

    def _time(self) -> str:
        column = self.shape.updated_at
        if column is None:
            return "NULL::timestamptz"
        instant = self._instant(column)
        return f"CASE WHEN {instant} BETWEEN {_FIRST} AND {_LAST} THEN {instant} END"

    @property
    def _time_column(self) -> Column:
        assert self.shape.updated_at is not None  # noqa: S101 - else there is no order by time
        return self.shape.updated_at

    @property
    def _sort_time(self) -> str:
        return f"q.{self._time_column.quoted}"

    def _instant(self, column: Column) -> str:
        """A column of times as an instant; a date is the midnight that it begins with."""
        value = f"q.{column.quoted}"
        if column.type == "timestamptz":
            return value
        return f"({value}::timestamp AT TIME ZONE {self.parameter(self.zone, 'text')})"

    def _json_value(self, column: Column) -> str:
        """What `to_jsonb` turns into the attribute."""
        value = f"q.{column.quoted}"
        match column.type:
            case "float4" | "float8":  # NaN is larger than everything
                most = f"'{_LARGEST[column.type]}'::{column.type}"
                return f"CASE WHEN {value} BETWEEN -{most} AND {most} THEN {value} END"
            case "numeric":
                return _exact(value)
            case "bpchar":
                return f"{value}::text"  # without what it is filled up with, as it is compared
            case "date":
                return f"CASE WHEN {value} BETWEEN '0001-01-01'::date AND '9999-12-31'::date THEN {value} END"
            case "timestamp" | "timestamptz":
                instant = self._instant(column)
                spelled = f"left(to_jsonb({instant}) #>> '{{}}', -6) || 'Z'"  # instead of its +00:00
                return f"CASE WHEN {instant} BETWEEN {_FIRST} AND {_LAST} THEN {spelled} END"
        return value


def _exact(value: str) -> str:
    """A numeric as a number where a reader of JSON gets what it says; else as text: a whole one of more than 64 bits,
    and one with a fraction whose whole part takes all that a double has."""
    return (
        f"CASE WHEN {value} IN ('NaN', 'Infinity', '-Infinity') THEN NULL"
        f" WHEN {value} BETWEEN -9223372036854775808 AND 9223372036854775807"
        f" AND ({value} = trunc({value}) OR abs({value}) < 9007199254740992) THEN to_jsonb({value})"
        f" ELSE to_jsonb(trim_scale({value})::text) END"
    )


def is_exact(tree: Tree | None) -> bool:
    """Whether SQL selects exactly what matches."""
    return tree is None or to_sql(tree).exact


def _tests(tree: Tree | None) -> bool:
    return tree is not None and not isinstance(tree, MatchAll)
