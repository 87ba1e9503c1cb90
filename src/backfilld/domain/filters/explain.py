"""Says why a filter matches nothing, in sentences for people."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from backfilld.domain.errors import did_you_mean
from backfilld.domain.filters.kinds import is_of_kind, kind_of, kinds_of
from backfilld.domain.filters.operators import EQUALITY, WITHIN, positive
from backfilld.domain.filters.paths import getter, spell
from backfilld.domain.filters.predicate import Predicate, compile_predicate, forgiving
from backfilld.domain.filters.tree import Group, Rule, Tree, rules_of

_MOST_NAMES: Final = 1000
_NOUNS: Final = {
    "text": "a text",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date",
    "list": "a list",
}
_STATES: Final = {**_NOUNS, "text": "text", "object": "an object"}


def explain_zero(tree: Tree, sample_entities: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences about what keeps records from matching: misspelt fields, other types, other case.

    Takes attributes of entities, in one pass; the numbers in the sentences are of those. Empty if nothing strikes.
    """
    suspects = list({(rule.field, rule.operator, rule.value): _Suspect(rule) for rule in rules_of(tree)}.values())
    names: set[str] = set()
    total = 0
    for record in sample_entities:
        total += 1
        if len(names) < _MOST_NAMES:
            names.update(record)
        for suspect in suspects:
            suspect.look_at(record)
    sentences = [sentence for suspect in suspects for sentence in suspect.sentences(total, names)]
    return list(dict.fromkeys(sentences))


@dataclass(slots=True)
class _Suspect:
    """A rule, and what was seen of its field."""

    rule: Rule
    wanted: frozenset[str] = frozenset()
    present: int = 0
    matched_but_for_case: int = 0
    case_example: Any = None
    mismatched: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Any] = field(default_factory=dict)
    exact: Predicate | None = None
    caseless: Predicate | None = None

    def __post_init__(self) -> None:
        self.wanted = kinds_of(self.rule)
        if self.rule.case_sensitive and "text" in self.wanted and self.rule.operator in EQUALITY | WITHIN:
            self.exact = _alone(self.rule, case_sensitive=True)
            self.caseless = _alone(self.rule, case_sensitive=False)

    def look_at(self, record: Mapping[str, Any]) -> None:
        value = getter(self.rule.field)(record)
        if value is None:
            return
        self.present += 1
        if self.wanted and not any(is_of_kind(value, kind) for kind in self.wanted):
            kind = kind_of(value)
            self.mismatched[kind] += 1
            self.examples.setdefault(kind, value)
        elif self.exact and self.caseless and self.caseless(record) and not self.exact(record):
            self.matched_but_for_case += 1
            self.case_example = value if self.case_example is None else self.case_example

    def sentences(self, total: int, names: set[str]) -> Iterable[str]:
        field = f"field `{self.rule.spelled}`"
        if total and not self.present and self._needs_presence():
            others = {spell((name,)) for name in names}
            yield f"{field} is in none of the records ({total:,}){did_you_mean(self.rule.spelled, others)}"
        for kind, count in self.mismatched.most_common():
            yield mismatch_sentence(self.rule, self.wanted, kind, count, self.examples[kind])
        if self.matched_but_for_case:
            example = _shown(self.case_example)
            yield (
                f"{field} differs from the rule only in upper and lower case in {_records(self.matched_but_for_case)}"
                f" (example {example}); `case_sensitive: false` ignores case"
            )

    def _needs_presence(self) -> bool:
        operator, negated = positive(self.rule.operator)
        return negated == (operator in ("null", "isEmpty"))


def mismatch_sentence(rule: Rule, wanted: Iterable[str], kind: str, count: int, example: Any) -> str:
    """What to say of records whose field is of a `kind` that a rule, which compares `wanted` ones, cannot compare."""
    what = "text that is no date" if kind == "text" and "date" in wanted else _STATES[kind]
    compared = " or ".join(_NOUNS[one] for one in sorted(wanted))
    seen = f"is {what} in {_records(count)} (example {_shown(example)})"
    return f"field `{rule.spelled}` {seen}; the rule compares {compared}"


def _alone(rule: Rule, *, case_sensitive: bool) -> Predicate:
    alone = Rule(rule.field, rule.operator, rule.value, case_sensitive)
    return forgiving(compile_predicate(Group("and", False, (alone,))), otherwise=False)


def _records(count: int) -> str:
    return f"{count:,} record" + ("" if count == 1 else "s")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "…"
