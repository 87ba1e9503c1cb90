"""The statements of an SQL source, built around the query that the operator wrote.

The query stands in the innermost FROM, so that the server can merge it with our conditions and use its indexes. The
layer around it makes JSON of the rows that are left, once a row (OFFSET 0 keeps it from being taken apart again); the
outermost one tests the filter on that very JSON, so that SQL decides as the predicate would. Values are parameters,
names are quoted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backfilld.domain.filters import MatchAll, Tree
from backfilld.sources.base import Order
from backfilld.sources.sql_pushdown import column_conditions
from backfilld.sources.sql_shape import Column, Shape
from backfilld.store.entities.filters import to_sql

_LARGEST = {"float4": "3.4028235e38", "float8": "1.7976931348623157e308", "numeric": "1.7976931348623157e308"}
_FIRST, _LAST = "'0001-01-01 00:00+00'::timestamptz", "'9999-12-31 23:59:59.999999+00'::timestamptz"


@dataclass(frozen=True, slots=True)
class Behind:
    """Where in an order a page begins: behind this key, and (in orders by time) this time."""

    key: str
    updated_at: datetime | None = None


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

    def start_behind(self, order: Order, place: Behind) -> None:
        """Leave out what comes before, in the key's own order, which its index has."""
        at = f"{self.parameter(place.key, 'text')}::{self.shape.key.type}"
        if order == "source":
            self.conditions.append(f"{self.key} > {at}")
            return
        time = f"coalesce({self.parameter(place.updated_at, 'timestamptz')}, {_timeless(order)})"
        sign = "<" if order == "newest_first" else ">"
        self.conditions.append(f"({self.sort_time(order)}, {self.key}) {sign} ({time}, {at})")

    def take_only(self, keys: Sequence[str]) -> None:
        """Leave out other keys than these, each of which the key's type can be."""
        keys_given = f"{self.parameter(list(keys), 'text[]')}::{self.shape.key.type}[]"
        self.conditions.append(f"{self.key} = ANY ({keys_given})")

    def rows(self, tree: Tree | None, order: Order | None = None, *, attributes: bool = True) -> str:
        """(id, updated_at, attributes as text) of what is left and matches `tree`, or somewhat more.

        In the order of the inner rows, which the layer around them keeps: it only tests them one by one. Were the order
        asked for there again, no LIMIT behind it would be known further in, and the server would read and sort
        everything for each page.
        """
        inner = self._inner(tree, order, attributes=attributes or _tests(tree))
        shown = "e.attributes::text" if attributes else "NULL::text"
        return f"SELECT e.id, e.updated_at, {shown} AS attributes FROM ({inner}) AS e{self._where(tree)}"  # noqa: S608

    def count(self, tree: Tree | None) -> str:
        """How many there are of them."""
        inner = self._inner(tree, None, attributes=_tests(tree))
        return f"SELECT count(*) FROM ({inner}) AS e{self._where(tree)}"  # noqa: S608

    def null_keys(self) -> str:
        """A row for every key that is null."""
        return f"SELECT 1 FROM (\n{self.query}\n) AS q WHERE {self.key} IS NULL"  # noqa: S608

    def _inner(self, tree: Tree | None, order: Order | None, *, attributes: bool) -> str:
        made = f" CROSS JOIN LATERAL (SELECT {self._columns()}) AS n" if attributes else ""
        conditions = [*self.conditions, *column_conditions(tree, self.shape, self.zone, self.parameter)]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        by_time = order not in (None, "source")
        return (
            f"SELECT {self.shape.key_kind.spelled.format(self.key)} AS id, {self._time()} AS updated_at,"  # noqa: S608
            f" {self.key} AS k, {self.sort_time(order) if by_time else 'NULL::timestamptz'} AS t,"
            f" {'to_jsonb(n.*)' if attributes else 'NULL::jsonb'} AS attributes"
            f" FROM (\n{self.query}\n) AS q{made}{where}{_order_by(order)} OFFSET 0"
        )

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

    def sort_time(self, order: Order | None) -> str:
        """Entities without a time come last in both orders."""
        return f"coalesce({self._time()}, {_timeless(order)})"

    def _instant(self, column: Column) -> str:
        """A column of times as an instant; a date is the midnight that it begins with."""
        value = f"q.{column.quoted}"
        if column.type == "timestamptz":
            return value
        return f"({value}::timestamp AT TIME ZONE {self.parameter(self.zone, 'text')})"

    def _json_value(self, column: Column) -> str:
        """What `to_jsonb` turns into the attribute."""
        value = f"q.{column.quoted}"
        if column.type in _LARGEST:  # NaN is larger than everything
            most = f"'{_LARGEST[column.type]}'::{column.type}"
            return f"CASE WHEN {value} BETWEEN -{most} AND {most} THEN {value} END"
        if column.type == "date":
            return f"CASE WHEN {value} BETWEEN '0001-01-01'::date AND '9999-12-31'::date THEN {value} END"
        if column.type in ("timestamp", "timestamptz"):
            instant = self._instant(column)
            spelled = f"left(to_jsonb({instant}) #>> '{{}}', -6) || 'Z'"  # instead of its +00:00
            return f"CASE WHEN {instant} BETWEEN {_FIRST} AND {_LAST} THEN {spelled} END"
        return value


def is_exact(tree: Tree | None) -> bool:
    """Whether SQL selects exactly what matches."""
    return tree is None or to_sql(tree).exact


def _tests(tree: Tree | None) -> bool:
    return tree is not None and not isinstance(tree, MatchAll)


def _timeless(order: Order | None) -> str:
    return "'-infinity'::timestamptz" if order == "newest_first" else "'infinity'::timestamptz"


def _order_by(order: Order | None) -> str:
    """By the columns k and t of the inner rows."""
    match order:
        case None:
            return ""
        case "newest_first":
            return " ORDER BY t DESC, k DESC"
        case "oldest_first":
            return " ORDER BY t, k"
    return " ORDER BY k"
