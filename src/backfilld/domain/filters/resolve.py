"""Makes a filter definite: relative dates become instants, once, and known fields lend their types to values.

What comes out means the same tomorrow and on another machine. It is what both back ends take, and what is
stored and shown as `filter_resolved`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import Fault, pointer
from backfilld.domain.filters.coerce import coerced
from backfilld.domain.filters.dates import (
    EPOCH,
    Form,
    form_of,
    local_midnight,
    parse_timestamp,
    resolve_relative,
    spell_instant,
)
from backfilld.domain.filters.operators import EQUALITY, ORDERING, positive
from backfilld.domain.filters.reading.reader import read_filter
from backfilld.domain.filters.reading.values import date_fault, kind, reversed_fault
from backfilld.domain.filters.tree import Group, MatchAll, Moment, Node, Rule, Scalar, Tree, Value
from backfilld.domain.instants import IN_WORDS, is_date_within_bounds, is_within_bounds

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A definite tree; of no use to anybody if there are faults."""

    tree: Tree
    faults: list[Fault]


def resolve(
    tree: Tree, *, now: datetime, zone: ZoneInfo, known_fields: Mapping[str, FieldType], stored: bool = False
) -> Resolved:
    """Resolve a tree that `read_filter` gave. Dates without a time are local midnights in `zone`.

    The keys of `known_fields` are fields as filters spell them (`paths.spell`). `stored`: it came in by the rules of
    an earlier version, which took dates of all years.
    """
    resolver = _Resolver(now, zone, known_fields, [], stored)
    return Resolved(tree if isinstance(tree, MatchAll) else resolver.group(tree), resolver.faults)


@dataclass(frozen=True, slots=True)
class _Resolver:
    now: datetime
    zone: ZoneInfo
    known_fields: Mapping[str, FieldType]
    faults: list[Fault]
    stored: bool = False

    def group(self, group: Group) -> Group:
        return replace(group, rules=tuple(self.node(node) for node in group.rules))

    def node(self, node: Node) -> Node:
        return self.group(node) if isinstance(node, Group) else self.rule(node)

    def rule(self, rule: Rule) -> Rule:
        known = self.known_fields.get(rule.spelled)
        before = len(self.faults)
        if known is not None and not rule.as_date:
            rule = replace(rule, value=coerced(rule, known, self.faults))
        if len(self.faults) == before and self.compares_dates(rule, known):
            rule = replace(rule, value=self.dated(rule), as_date=False, zone=None, case_sensitive=True)
        if len(self.faults) == before:
            self.check_order(rule)
        return rule

    def compares_dates(self, rule: Rule, known: FieldType | None) -> bool:
        operator = positive(rule.operator)[0]
        if operator in EQUALITY:
            return rule.as_date or known == "date"
        if operator not in ORDERING:
            return False
        if rule.as_date or known == "date":
            return True
        return all(isinstance(one, str) and form_of(one) is not Form.PLAIN for one in rule.values)

    def dated(self, rule: Rule) -> Value:
        zone = rule.zone or self.zone
        if not isinstance(rule.value, tuple):
            return self.moment(rule.value, zone, rule.value_at)
        return tuple(self.moment(one, zone, rule.value_at + pointer(n)) for n, one in enumerate(rule.value))

    def moment(self, value: Scalar | None, zone: ZoneInfo, path: str) -> Moment:
        fault = date_fault(value, path) if isinstance(value, str) else _no_date(value, path)
        if fault is None:
            try:
                return Moment(self.instant(str(value), zone), zone)
            except (OverflowError, ValueError):
                fault = Fault(path, "date_out_of_range", f"'{value}' is outside {IN_WORDS}")
        self.faults.append(fault)
        return Moment(EPOCH, zone)

    def instant(self, text: str, zone: ZoneInfo) -> datetime:
        """In UTC. OverflowError or ValueError if it is outside the years that are taken."""
        form = form_of(text)
        if form is Form.DATE:
            day = date.fromisoformat(text)
            at, is_near = local_midnight(day, zone).astimezone(UTC), is_date_within_bounds(day)
        else:
            at = resolve_relative(text, now=self.now, zone=zone) if form is Form.RELATIVE else _timestamp(text)
            is_near = is_within_bounds(at)
        if not (is_near or self.stored) or at == datetime.max.replace(tzinfo=UTC):  # nothing can be told after that
            raise ValueError(text)
        return at

    def check_order(self, rule: Rule) -> None:
        if positive(rule.operator)[0] != "between":
            return
        match rule.values:
            case (Moment(at=lower), Moment(at=upper)) if lower > upper:
                self.faults.append(reversed_fault(rule.value_at, spell_instant(lower), spell_instant(upper)))
            case (str() as low, str() as high) if _folded(low, rule) > _folded(high, rule):
                self.faults.append(reversed_fault(rule.value_at, low, high))
            case (int() | float() as low, int() | float() as high) if low > high:
                self.faults.append(reversed_fault(rule.value_at, low, high))


def _no_date(value: Scalar | None, path: str) -> Fault:
    return Fault(path, "invalid_date", f"must be a date, not {kind(value)}")


def _timestamp(text: str) -> datetime:
    at = parse_timestamp(text)
    if at is None:
        raise ValueError(text)
    return at.astimezone(UTC)


def _folded(text: str, rule: Rule) -> str:
    return text if rule.case_sensitive else text.casefold()


def to_json(tree: Tree) -> dict[str, Any]:
    """The normalised spelling of a tree; of a resolved one it is `filter_resolved`. `from_json` reads it back."""
    return {"match_all": True} if isinstance(tree, MatchAll) else _spelled_node(tree)


def from_json(stored: Any) -> Tree:
    """The tree behind a stored `filter_resolved`, as definite as it was. ValueError if it is none.

    Needs no zone: rules carry the one they were resolved in, whatever becomes of the backfill's.
    """
    read = read_filter(stored, "", most_bytes=None)
    faults = read.faults
    if read.tree is not None:
        resolved = resolve(read.tree, now=EPOCH, zone=_UTC, known_fields={}, stored=True)
        if not resolved.faults:
            return resolved.tree
        faults = resolved.faults
    raise ValueError(f"not a resolved filter: {faults[0].path}: {faults[0].message}")


def _spelled_node(node: Node) -> dict[str, Any]:
    if isinstance(node, Rule):
        return _spelled_rule(node)
    return {"combinator": node.combinator, "not": node.negated, "rules": [_spelled_node(rule) for rule in node.rules]}


def _spelled_rule(rule: Rule) -> dict[str, Any]:
    spelled: dict[str, Any] = {"field": rule.spelled, "operator": rule.operator}
    if rule.value is not None:
        values = [spell_instant(one.at) if isinstance(one, Moment) else one for one in rule.values]
        spelled["value"] = values if isinstance(rule.value, tuple) else values[0]
    if not rule.case_sensitive:
        spelled["case_sensitive"] = False
    moments = [one for one in rule.values if isinstance(one, Moment)]
    if rule.as_date or (moments and positive(rule.operator)[0] in EQUALITY):
        spelled["as"] = "date"
    zone = moments[0].zone if moments else rule.zone
    if zone is not None:
        spelled["timezone"] = zone.key
    return spelled
