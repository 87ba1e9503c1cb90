"""Records of which one is made for every item.

`dataclass(frozen=True)` sets each field through `object.__setattr__`: a record of a dozen fields then costs three times
what it costs otherwise, and an item passes through seven of them. So these are frozen for the type checker, which
refuses an assignment to a field, and ordinary at run time. What is not made ten thousand times a second is a frozen
dataclass as usual.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def plain_record(cls: type[T]) -> type[T]:
    """A dataclass with slots; fields are not to be assigned to, which mypy sees to."""
    return dataclass(slots=True)(cls)
