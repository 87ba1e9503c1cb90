"""Reads a filter in any of its spellings, and says all that is wrong with it at once.

The spellings: a rule group as query builders make it, the same inside `{"conditions": …}`, the shorthand
`{"status": "open", "priority": [1, 2]}`, the literal `{}` and `{"match_all": true}`. They become one tree.
"""

from dataclasses import dataclass
from typing import Any, Final

from backfilld.domain.errors import Fault, pointer
from backfilld.domain.filters.reading.limits import (
    MOST_DEPTH,
    MOST_RULES,
    MOST_SPEC_BYTES,
    TOO_LARGE,
    cleaned,
    oversize,
)
from backfilld.domain.filters.reading.rules import RuleReader
from backfilld.domain.filters.reading.values import kind
from backfilld.domain.filters.tree import Combinator, Group, MatchAll, Node, Tree

GROUP_KEYS: Final = ("combinator", "not", "rules")


@dataclass(frozen=True, slots=True)
class ReadFilter:
    """What was read: a tree, or else the reasons why there is none. Warnings stand beside either."""

    tree: Tree | None
    faults: list[Fault]
    warnings: list[str]


def read_filter(
    value: object,
    path: str,
    *,
    require_explicit_match_all: bool = False,
    most_bytes: int | None = MOST_SPEC_BYTES,
) -> ReadFilter:
    """Read any JSON value as a filter; `path` is the JSON Pointer at which it stands in the body.

    Never raises. The texts of the tree can be stored; its dates are still texts (see `resolve`).
    """
    too_large = oversize(value, path, most_bytes)
    if too_large is not None:
        return ReadFilter(None, [too_large], [])
    reader = _Reader()
    tree = reader.read(cleaned(value, path, reader.faults), path)
    if require_explicit_match_all and value == {}:
        message = 'an empty filter is not accepted here; write {"match_all": true}'
        reader.fault(path, "explicit_match_all_required", message)
    return ReadFilter(None if reader.faults else tree, reader.faults, reader.warnings)


class _Reader(RuleReader):
    """Reads what stands around the rules."""

    def read(self, spec: Any, path: str) -> Tree | None:
        if not isinstance(spec, dict):
            self.fault(path, "invalid_type", f"a filter is an object, not {kind(spec)}")
            return None
        tree: Tree | None
        if not spec:
            self.warnings.append("The filter is empty: it matches every entity.")
            tree = MatchAll()
        elif "match_all" in spec:
            tree = self.match_all(spec, path)
        elif "conditions" in spec:
            tree = self.conditions(spec, path)
        else:
            tree = self.group_or_shorthand(spec, path)
        if self.rules > MOST_RULES:
            self.fault(path, TOO_LARGE, f"has {self.rules:,} rules; at most {MOST_RULES}")
        return tree

    def match_all(self, spec: dict[str, Any], path: str) -> MatchAll:
        self.check_keys(spec, ("match_all",), path)
        if spec["match_all"] is not True:
            self.fault(path + "/match_all", "invalid_value", "must be true, or be left out")
        return MatchAll()

    def conditions(self, spec: dict[str, Any], path: str) -> Group | None:
        self.check_keys(spec, ("conditions",), path)
        inner, path = spec["conditions"], path + "/conditions"
        if not isinstance(inner, dict):
            self.fault(path, "invalid_type", f"must be a rule group, not {kind(inner)}")
            return None
        if not inner:
            self.empty(path)
            return None
        return self.group_or_shorthand(inner, path)

    def group_or_shorthand(self, spec: dict[str, Any], path: str) -> Group | None:
        if "rules" in spec or "combinator" in spec:
            return self.group(spec, path, depth=1)
        if "field" in spec and "operator" in spec:
            self.fault(path, "rule_outside_group", "a rule stands in the list `rules` of a group")
            return None
        return self.shorthand(spec, path)

    def group(self, spec: dict[str, Any], path: str, depth: int) -> Group | None:
        if depth > MOST_DEPTH:
            self.fault(path, TOO_LARGE, f"groups may be {MOST_DEPTH} deep; this one is {depth} deep")
            return None
        self.check_keys(spec, GROUP_KEYS, path)
        combinator = self.combinator(spec, path)
        negated = self.flag(spec, "not", path, default=False)
        rules = spec.get("rules")
        if rules is None and "rules" not in spec:
            self.fault(path + "/rules", "required", "a group needs `rules`, a list of rules and groups")
            return None
        if not isinstance(rules, list):
            self.fault(path + "/rules", "invalid_type", f"must be a list of rules and groups, not {kind(rules)}")
            return None
        if not rules:
            self.empty(path)
            return None
        nodes = [self.node(rule, f"{path}/rules/{n}", depth) for n, rule in enumerate(rules)]
        return Group(combinator, negated, tuple(node for node in nodes if node is not None))

    def combinator(self, spec: dict[str, Any], path: str) -> Combinator:
        match spec.get("combinator"):
            case "and":
                return "and"
            case "or":
                return "or"
        code = "invalid_value" if "combinator" in spec else "required"
        self.fault(path + "/combinator", code, "must be 'and' or 'or'", ("and", "or"))
        return "and"

    def node(self, spec: Any, path: str, depth: int) -> Node | None:
        if not isinstance(spec, dict):
            self.fault(path, "invalid_type", f"must be a rule or a group, not {kind(spec)}")
            return None
        if not spec:
            self.empty(path)
            return None
        if "rules" in spec or "combinator" in spec:
            return self.group(spec, path, depth + 1)
        return self.rule(spec, path)

    def shorthand(self, spec: dict[str, Any], path: str) -> Group:
        rules = [self.short_rule(spelling, value, path + pointer(spelling)) for spelling, value in spec.items()]
        return Group("and", False, tuple(rule for rule in rules if rule is not None))

    def empty(self, path: str) -> None:
        self.fault(
            path, "empty_group", 'an empty group says nothing; to match everything, send {} or {"match_all": true}'
        )
