"""The filter language: what people write, the one tree it becomes, and its meaning as a predicate.

A filter goes one way: `read_filter` (any JSON in, all faults at once) → `resolve` (definite dates and types)
→ `compile_predicate` here, or SQL in `store.filters`. `to_json` and `from_json` keep a resolved one.
"""

from backfilld.domain.filters.explain import explain_zero
from backfilld.domain.filters.paths import parse_path, spell
from backfilld.domain.filters.predicate import Predicate, compile_predicate, forgiving
from backfilld.domain.filters.reading.reader import ReadFilter, read_filter
from backfilld.domain.filters.resolve import Resolved, from_json, resolve, to_json
from backfilld.domain.filters.tree import Group, MatchAll, Moment, Rule, Tree, fields_first

__all__ = [
    "Group",
    "MatchAll",
    "Moment",
    "Predicate",
    "ReadFilter",
    "Resolved",
    "Rule",
    "Tree",
    "compile_predicate",
    "explain_zero",
    "fields_first",
    "forgiving",
    "from_json",
    "parse_path",
    "read_filter",
    "resolve",
    "spell",
    "to_json",
]
