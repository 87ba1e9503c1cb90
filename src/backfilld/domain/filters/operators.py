"""The operators of the filter language: their names, what each may be compared with, and which negates which.

Every negative operator is defined as the complement of a positive one, so that back ends give a meaning
to the positive ones only and cannot get a negation wrong.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Takes(Enum):
    """What kind of value an operator is written with."""

    SCALAR = auto()  # a text, a number, true or false
    ORDERED = auto()  # a text or a number
    PAIR = auto()  # a list of two that are in order
    LIST = auto()  # a list of scalars
    TEXT = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `complement_of` names the positive operator that a negative one negates."""

    name: str
    takes: Takes
    aliases: tuple[str, ...] = ()
    complement_of: str | None = None


OPERATORS: Final[dict[str, Operator]] = {
    operator.name: operator
    for operator in (
        Operator("=", Takes.SCALAR, ("eq",)),
        Operator("!=", Takes.SCALAR, ("ne", "noteq"), complement_of="="),
        Operator("<", Takes.ORDERED, ("lt",)),
        Operator("<=", Takes.ORDERED, ("lte",)),
        Operator(">", Takes.ORDERED, ("gt",)),
        Operator(">=", Takes.ORDERED, ("gte",)),
        Operator("between", Takes.PAIR),
        Operator("notBetween", Takes.PAIR, complement_of="between"),
        Operator("in", Takes.LIST),
        Operator("notIn", Takes.LIST, complement_of="in"),
        Operator("null", Takes.NOTHING, ("notExist",)),
        Operator("notNull", Takes.NOTHING, ("exist",), complement_of="null"),
        Operator("contains", Takes.SCALAR),
        Operator("doesNotContain", Takes.SCALAR, complement_of="contains"),
        Operator("beginsWith", Takes.TEXT),
        Operator("doesNotBeginWith", Takes.TEXT, complement_of="beginsWith"),
        Operator("endsWith", Takes.TEXT),
        Operator("doesNotEndWith", Takes.TEXT, complement_of="endsWith"),
        Operator("isEmpty", Takes.NOTHING),
        Operator("isNotEmpty", Takes.NOTHING, complement_of="isEmpty"),
    )
}

SPELLINGS: Final[dict[str, str]] = {
    spelling: operator.name for operator in OPERATORS.values() for spelling in (operator.name, *operator.aliases)
}

ORDERING: Final = frozenset({"<", "<=", ">", ">=", "between"})  # positive operators that ask for an order
EQUALITY: Final = frozenset({"=", "in"})
WITHIN: Final = frozenset({"contains", "beginsWith", "endsWith"})  # look inside a text (or, `contains`, a list)


def positive(name: str) -> tuple[str, bool]:
    """The positive operator that decides `name`, and whether its answer is to be negated."""
    complement_of = OPERATORS[name].complement_of
    return (name, False) if complement_of is None else (complement_of, True)
