"""A filter as SQL over a jsonb column: never fewer rows than the predicate takes, and no error on any data.

The predicate in `domain.filters` decides. The SQL here selects what it takes, or somewhat more, and says
which. More only where case is ignored: PostgreSQL does not fold letters beyond ASCII as Python does.
What users wrote goes into parameters only; every condition is true or false, never null. Parameters are
read into ranges in sub-selects, which PostgreSQL evaluates once a query and not once a row.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from backfilld.domain.filters.dates import DATE, TIMESTAMP, spell_instant
from backfilld.domain.filters.operators import positive
from backfilld.domain.filters.spans import DateSpan, are_rounded_alike, date_span, number_spans
from backfilld.domain.filters.tree import MatchAll, Moment, Node, Rule, Tree
from backfilld.store.entities.keys import Path, literal, narrowing


@dataclass(frozen=True, slots=True)
class SqlFilter:
    """A condition, its parameters in order, and whether it selects exactly what the predicate takes.

    `narrowed`: an index of an attribute can serve it.
    """

    sql: str
    parameters: list[Any]
    exact: bool
    narrowed: bool = False


def to_sql(
    tree: Tree, *, column: str = "attributes", first_parameter: int = 1, indexed: Collection[Path] = ()
) -> SqlFilter:
    """The condition for a resolved tree, to stand in a WHERE clause.

    `column` is an SQL expression of type jsonb (trusted text); the parameters are numbered from
    `first_parameter`. Texts must be free of NUL, as those of `read_filter` are. `indexed`: the fields that have an
    index; what its keys tell of the filter stands first, and says nothing that the rest does not.
    """
    if isinstance(tree, MatchAll):
        return SqlFilter("TRUE", [], True)
    writer = _Writer(column, first_parameter)
    may, must = writer.node(tree)
    narrow = narrowing(tree, indexed, writer.parameter, column=column)
    sql = may if narrow is None else f"{narrow} AND {may}"
    return SqlFilter(sql, writer.parameters, may == must, narrow is not None)


def entities_that(
    entity_type: str, tree: Tree | None, *, first_parameter: int, indexed: Collection[Path] = ()
) -> SqlFilter | None:
    """The condition on `e`, entities of this type; None if all of them match. An index is of one type, and names it."""
    if tree is None or isinstance(tree, MatchAll):
        return None
    condition = to_sql(tree, column="e.attributes", first_parameter=first_parameter, indexed=indexed)
    if not condition.narrowed:
        return condition
    return replace(condition, sql=f"e.entity_type = {literal(entity_type)} AND {condition.sql}")


class _Bounds(NamedTuple):
    """A condition from both sides: `may` is true of all that match, `must` of none that does not. Exact if equal."""

    may: str
    must: str


def _exactly(sql: str) -> _Bounds:
    return _Bounds(sql, sql)


def _negated(bounds: _Bounds) -> _Bounds:
    return _Bounds(f"NOT {bounds.must}", f"NOT {bounds.may}")


def _joined(word: str, parts: list[_Bounds]) -> _Bounds:
    if len(parts) == 1:
        return parts[0]
    return _Bounds(*(f"({f' {word} '.join(side)})" for side in zip(*parts, strict=True)))


_NEVER: Final = _exactly("FALSE")
# Most timestamps; PostgreSQL takes half as long to match this as TIMESTAMP, of which it is a part.
_USUAL: Final = (
    "[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    "(?:[.][0-9]+)?(?:Z|[+-]0[0-9]:[0-5][0-9])"
)
_EMPTY: Final = "('null'::jsonb, '\"\"'::jsonb, '[]'::jsonb, '{}'::jsonb)"


@dataclass(slots=True)
class _Writer:
    column: str
    first_parameter: int
    parameters: list[Any] = field(default_factory=list)
    _numbers: dict[tuple[str, Any], str] = field(default_factory=dict)

    def parameter(self, value: Any, sql_type: str) -> str:
        """A typed placeholder for a value; the same one for the same value."""
        key = (sql_type, tuple(value) if isinstance(value, list) else value)
        if key not in self._numbers:
            self.parameters.append(value)
            self._numbers[key] = f"${self.first_parameter + len(self.parameters) - 1}::{sql_type}"
        return self._numbers[key]

    def node(self, node: Node) -> _Bounds:
        if isinstance(node, Rule):
            return self.rule(node)
        joined = _joined("AND" if node.combinator == "and" else "OR", [self.node(part) for part in node.rules])
        return _negated(joined) if node.negated else joined

    def rule(self, rule: Rule) -> _Bounds:
        operator, negated = positive(rule.operator)
        # `->` with a text goes through objects only, as paths do; `#>` would also take list positions
        value = " -> ".join([self.column, *(self.parameter(name, "text") for name in rule.field)])
        bounds = self.meaning(operator, rule, f"({value})")
        return _negated(bounds) if negated else bounds

    def meaning(self, operator: str, rule: Rule, value: str) -> _Bounds:
        """The condition of a positive operator on a jsonb value, which may be an SQL null."""
        match operator:
            case "null":
                return _exactly(f"(coalesce({value}, 'null') = 'null'::jsonb)")
            case "isEmpty":
                return _exactly(f"(coalesce({value}, 'null') IN {_EMPTY})")
            case "=" | "in":
                return self.one_of(rule, value)
            case "contains":
                return self.contains(rule, value)
            case "beginsWith":
                return self.inside(rule, value, lambda text, part: f"starts_with({text}, {part})")
            case "endsWith":
                return self.inside(rule, value, lambda text, part: f"right({text}, char_length({part})) = {part}")
        return self.ordered(operator, rule, value)

    def one_of(self, rule: Rule, value: str) -> _Bounds:
        texts = [one for one in rule.values if isinstance(one, str)]
        numbers = [one for one in rule.values if isinstance(one, int | float) and not isinstance(one, bool)]
        parts = [_exactly(f"(coalesce({value}, 'null') = '{flag}'::jsonb)") for flag in self.flags(rule)]
        if texts:
            wanted = self.parameter([_folded(one, rule) for one in texts], "text[]")
            parts.append(_text(rule, value, lambda text: f"{text} = ANY({wanted})"))
        if numbers:
            parts.append(self.number("in", numbers, value))
        if any(isinstance(one, Moment) for one in rule.values):
            parts.append(self.one_of_dates(rule, value))
        return _joined("OR", parts)

    def flags(self, rule: Rule) -> list[str]:
        return sorted({"true" if one else "false" for one in rule.values if isinstance(one, bool)})

    def one_of_dates(self, rule: Rule, value: str) -> _Bounds:
        spans = [date_span("=", (one,)) for one in rule.values if isinstance(one, Moment)]
        days = self.parameter([day for span in spans for day in span.days()], "text[]")
        return self.date(spans, value, lambda day: f"{day} = ANY({days})")

    def contains(self, rule: Rule, value: str) -> _Bounds:
        element = self.one_of(rule, "element.value")
        within = _NEVER
        if isinstance(rule.value, str):
            within = self.inside(rule, value, lambda text, part: f"strpos({text}, {part}) > 0")

        def either(text: str, item: str) -> str:
            listed = f"EXISTS (SELECT FROM jsonb_array_elements({value}) AS element WHERE {item})"
            return f"(CASE jsonb_typeof({value}) WHEN 'array' THEN {listed} ELSE {text} END)"

        return _Bounds(either(within.may, element.may), either(within.must, element.must))

    def inside(self, rule: Rule, value: str, condition: Callable[[str, str], str]) -> _Bounds:
        part = self.parameter(_folded(str(rule.value), rule), "text")
        return _text(rule, value, lambda text: condition(text, part))

    def ordered(self, operator: str, rule: Rule, value: str) -> _Bounds:
        match rule.values:
            case (str(), *_):
                wanted = [self.parameter(_folded(str(one), rule), "text") for one in rule.values]
                return _text(rule, value, lambda text: _in_order(text, operator, wanted))
            case (Moment(), *_):
                return self.ordered_date(operator, rule, value)
        return self.number(operator, [one for one in rule.values if isinstance(one, int | float)], value)

    def ordered_date(self, operator: str, rule: Rule, value: str) -> _Bounds:
        span = date_span(operator, tuple(one for one in rule.values if isinstance(one, Moment)))
        first, until = self.parameter(span.first_day, "text"), self.parameter(span.until_day, "text")
        return self.date([span], value, lambda day: f"({day} >= {first} AND {day} < {until})")

    def date(self, spans: list[DateSpan], value: str, day: Callable[[str], str]) -> _Bounds:
        instants = ",".join(f"[{_spelled(span.first)},{_spelled(span.until)})" for span in spans)
        return _date(value, f"<@ (SELECT {self.parameter(f'{{{instants}}}', 'text')}::tstzmultirange)", day)

    def number(self, operator: str, numbers: list[int | float], value: str) -> _Bounds:
        number = f"{value}::numeric"
        condition = f"{number} <@ {self.spans(operator, numbers, whole=False)}"
        if not are_rounded_alike(numbers):
            whole = f"{number} <@ {self.spans(operator, numbers, whole=True)}"
            condition = f"CASE WHEN scale({number}) = 0 THEN {whole} ELSE {condition} END"
        return _exactly(f"(CASE jsonb_typeof({value}) WHEN 'number' THEN {condition} ELSE FALSE END)")

    def spans(self, operator: str, numbers: list[int | float], *, whole: bool) -> str:
        return f"(SELECT {self.parameter(number_spans(operator, numbers, whole=whole), 'text')}::nummultirange)"


def _in_order(text: str, operator: str, wanted: list[str]) -> str:
    return f"{text} BETWEEN {wanted[0]} AND {wanted[1]}" if operator == "between" else f"{text} {operator} {wanted[0]}"


def _text(rule: Rule, value: str, condition: Callable[[str], str]) -> _Bounds:
    """A condition on texts; ignoring case it is decided for ASCII, and open for all others."""
    text = f"({value} #>> '{{}}') COLLATE \"C\""

    def if_text(then: str) -> str:
        return f"(CASE jsonb_typeof({value}) WHEN 'string' THEN {then} ELSE FALSE END)"

    if rule.case_sensitive:
        return _exactly(if_text(condition(text)))
    # lower() of "C" knows ASCII only, where it is the same as casefold()
    decided = condition(f'lower({text}) COLLATE "C"')
    may, must = (
        if_text(f"CASE WHEN {text} ~ '[^\\x01-\\x7F]' THEN {otherwise} ELSE {decided} END")
        for otherwise in ("TRUE", "FALSE")
    )
    return _Bounds(may, must)


def _date(value: str, instant: str, day: Callable[[str], str]) -> _Bounds:
    """Conditions on records that are dates: on the instant, or on the day (as text) of those without a time."""
    text = f"({value} #>> '{{}}') COLLATE \"C\""
    # PostgreSQL would round a longer fraction where Python cuts it
    cut = f"regexp_replace({text}, '([.][0-9]{{6}})[0-9]+', '\\1')"
    return _exactly(
        f"(CASE WHEN jsonb_typeof({value}) IS DISTINCT FROM 'string' THEN FALSE"
        f" WHEN {text} ~ '^{_USUAL}$' OR {text} ~ '^{TIMESTAMP}$' THEN {cut}::timestamptz {instant}"
        f" WHEN {text} ~ '^{DATE}$' THEN {day(text)} ELSE FALSE END)"
    )


def _spelled(at: datetime | None) -> str:
    return "" if at is None else spell_instant(at)


def _folded(text: str, rule: Rule) -> str:
    return text if rule.case_sensitive else text.casefold()
