"""Which part of a filter an API is asked for itself.

What is asked selects at least what the filter matches, and exactly that only where `exact` says so: `and` may leave out
what cannot be asked, `or` is asked as a whole or not at all, and a negated group is never asked. How a single rule is
spelled is for each dialect to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from backfilld.domain.filters import MatchAll, Rule, Tree
from backfilld.domain.filters.tree import Group, Node

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spelled(Generic[T]):
    """A condition in the API's own words. `exact`: it selects what the rule matches, and nothing else."""

    condition: T
    exact: bool


@dataclass(frozen=True, slots=True)
class Pushed(Generic[T]):
    """What is asked of the API: conditions that must all hold."""

    conditions: tuple[T, ...] = ()
    exact: bool = True


Spell = Callable[[Rule, bool], Spelled[T] | None]  # a rule, and whether it must hold by itself; None: cannot be asked
Join = Callable[[str, Sequence[T]], T]  # `and`, `or` and at least two conditions


def pushed(tree: Tree | None, spell: Spell[T], join: Join[T] | None) -> Pushed[T]:
    """What of a filter can be asked. Without `join`, rules that must all hold are all that can be."""
    if tree is None or isinstance(tree, MatchAll):
        return Pushed()
    conditions, exact = _required(tree, spell, join)
    return Pushed(tuple(conditions), exact)


def _required(node: Node, spell: Spell[T], join: Join[T] | None) -> tuple[list[T], bool]:
    """What must hold, as far as it can be asked, and whether that is all and exact."""
    if isinstance(node, Group) and not node.negated and (node.combinator == "and" or len(node.rules) == 1):
        parts = [_required(inner, spell, join) for inner in node.rules]
        return [condition for conditions, _ in parts for condition in conditions], all(exact for _, exact in parts)
    found = spell(node, True) if isinstance(node, Rule) else _whole(node, spell, join)
    return ([], False) if found is None else ([found.condition], found.exact)


def _whole(node: Node, spell: Spell[T], join: Join[T] | None) -> Spelled[T] | None:
    """The whole of a node as one condition; what `and` leaves out makes it inexact."""
    if isinstance(node, Rule):
        return spell(node, False)
    if node.negated or join is None:
        return None
    parts = [_whole(inner, spell, join) for inner in node.rules]
    kept = [part for part in parts if part is not None]
    if not kept or (node.combinator == "or" and len(kept) < len(parts)):
        return None
    exact = len(kept) == len(parts) and all(part.exact for part in kept)
    conditions = [part.condition for part in kept]
    return Spelled(conditions[0] if len(conditions) == 1 else join(node.combinator, conditions), exact)


def both(one: Tree | None, other: Tree | None) -> Tree | None:
    """The filter that two of them make together."""
    trees: list[Any] = [tree for tree in (one, other) if tree is not None and not isinstance(tree, MatchAll)]
    if len(trees) < 2:
        return trees[0] if trees else None
    return Group("and", False, tuple(trees))
