"""What of a valid filter may not be what was meant, told from a look at some records.

A misspelt field makes a rule true of every record, or of none, and a date without a time is one instant of its day.
Both are right, and rarely meant; so whoever counts, previews or creates hears of them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from backfilld.domain.errors import did_you_mean
from backfilld.domain.filters.dates import Form, form_of, parse_timestamp
from backfilld.domain.filters.explain import mismatch_sentence
from backfilld.domain.filters.kinds import is_of_kind, kind_of, kinds_of
from backfilld.domain.filters.operators import positive
from backfilld.domain.filters.paths import spell
from backfilld.domain.filters.tree import Rule, Tree, rules_of

_MOST_NAMES: Final = 1000
_NAMES_FROM: Final = 200  # records; the others rarely have more
_MISSING: Final = object()


class Hints:
    """Takes attributes of records, one after another, and tells what strikes.

    `tree` is resolved; `written` is the same filter before that, with its dates as they were sent.
    """

    def __init__(self, tree: Tree, written: Tree | None = None) -> None:
        rules = {(rule.field, rule.operator, rule.value): _Seen(rule) for rule in rules_of(tree)}
        self._rules = list(rules.values())
        self._dated = [_Dated(rule) for rule in (rules_of(written) if written is not None else ()) if _bare_date(rule)]
        self._names: set[str] = set()
        self.seen = 0

    def look_at(self, record: Mapping[str, Any]) -> None:
        self.seen += 1
        if self.seen <= _NAMES_FROM and len(self._names) < _MOST_NAMES:
            self._names.update(_names(record, ()))
        for seen in self._rules:
            seen.look_at(record)
        for dated in self._dated:
            dated.look_at(record)

    def absent(self, known: Collection[str]) -> list[Rule]:
        """Rules on a field that no record had, and that is not known otherwise. None if no record was seen."""
        if not self.seen:
            return []
        return [one.rule for one in self._rules if not one.present and not _is_known(one.rule.spelled, known)]

    def sentences(self, absent: Iterable[Rule], known: Collection[str], *, whole: bool) -> list[str]:
        """What there is to say; `absent` are the rules on fields that are not there. `whole`: every record was seen."""
        records = f"the records ({self.seen:,})" if whole else f"the first {self.seen:,} records"
        found = [_absence(rule, records, self._names | set(known)) for rule in absent]
        for one in self._rules:
            found += one.mismatches(whole=whole)
        found += [one.sentence() for one in self._dated if one.instants]
        return list(dict.fromkeys(found))


@dataclass(slots=True)
class _Seen:
    """What was seen of the field of a rule."""

    rule: Rule
    present: int = 0
    wanted: frozenset[str] = frozenset()
    mismatched: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wanted = kinds_of(self.rule)

    def look_at(self, record: Mapping[str, Any]) -> None:
        value = _found(record, self.rule.field)
        if value is _MISSING:
            return
        self.present += 1
        if value is not None and self.wanted and not any(is_of_kind(value, kind) for kind in self.wanted):
            kind = kind_of(value)
            self.mismatched[kind] += 1
            self.examples.setdefault(kind, value)

    def mismatches(self, *, whole: bool) -> Iterator[str]:
        effect = "they do not match it" if not positive(self.rule.operator)[1] else "they all match it"
        for kind, count in self.mismatched.most_common():
            some = "" if whole else " of those looked at"
            yield f"{mismatch_sentence(self.rule, self.wanted, kind, count, self.examples[kind])}, so {effect}{some}"


@dataclass(slots=True)
class _Dated:
    """A rule with a date alone, and how often its field is an instant."""

    rule: Rule
    instants: int = 0

    def look_at(self, record: Mapping[str, Any]) -> None:
        value = _found(record, self.rule.field)
        self.instants += isinstance(value, str) and parse_timestamp(value) is not None

    def sentence(self) -> str:
        day = _bare_date(self.rule) or ""
        field = f"`{self.rule.spelled}`"
        following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        means = f'field {field} holds instants, and "{day}" is the midnight that the day begins with'
        match self.rule.operator:
            case "<=":
                return f'{means}, so the rest of it is left out; for the whole day write {field} < "{following}"'
            case ">":
                return f'{means}, so the rest of it is included; for what comes after it write {field} >= "{following}"'
            case "between" | "notBetween":
                return f'{means}, so the rest of it lies outside; for the whole day end with {field} < "{following}"'
        whole = f'{field} >= "{day}" and {field} < "{following}"'
        return f"{means}, so nothing else of it is equal; for the whole day write {whole}"


def _bare_date(rule: Rule) -> str | None:
    """The date without a time in a rule that is about one instant of it."""
    if rule.operator in ("between", "notBetween"):
        values: tuple[Any, ...] = rule.values[1:]
    else:
        values = rule.values if rule.operator in ("=", "!=", "in", "notIn", "<=", ">") else ()
    return next((value for value in values if isinstance(value, str) and form_of(value) is Form.DATE), None)


def _absence(rule: Rule, records: str, names: Collection[str]) -> str:
    operator, negated = positive(rule.operator)
    matches_missing = negated != (operator in ("null", "isEmpty"))
    effect = "all of them" if matches_missing else "none of them"
    near = did_you_mean(rule.spelled, names)
    return f"field `{rule.spelled}` is in none of {records}, so `{rule.operator}` is true of {effect}{near}"


def _is_known(spelled: str, known: Collection[str]) -> bool:
    return spelled in known or any(name.startswith(spelled + ".") for name in known)


def _found(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value of a field; _MISSING where it is not there, which is not the same as null."""
    found: Any = record
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return _MISSING
        found = found[name]
    return found


def _names(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for name, part in value.items():
        yield spell((*path, name))
        if isinstance(part, dict):
            yield from _names(part, (*path, name))
