"""Lists of pairs, as ticket systems write the fields that their users define, made into objects.

`[{"name": "Site", "value": "Oslo"}]` cannot be filtered by: no path leads into a list. `{"Site": "Oslo"}` can.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

FieldPath = tuple[str, ...]
WORDING = "the names of its two members joined by an underscore, such as name_value or caption_value"

Left = Callable[[str], None]  # told what could not be done, in the words of a message


@dataclass(frozen=True, slots=True)
class PairMembers:
    """The members of a pair that hold the name of a field and its value."""

    name: str
    value: str


def parse_members(word: str) -> PairMembers:
    """`name_value` read; with a colon (`field_name:value`) where a member has an underscore. ValueError otherwise."""
    for mark in (":", "_"):
        parts = word.split(mark)
        if len(parts) == 2 and all(parts) and parts[0] != parts[1]:
            return PairMembers(*parts)
    raise ValueError(f"{word!r} must be {WORDING}; a colon, where a member has an underscore itself")


class PairLists:
    """The fields of a record that hold lists of pairs."""

    def __init__(self, lists: Mapping[FieldPath, PairMembers]) -> None:
        self._lists = dict(lists)

    def __bool__(self) -> bool:
        return bool(self._lists)

    def leads_into(self, field: FieldPath) -> bool:
        """Whether a field is one of the lists, or what it becomes, or holds one."""
        return any(field[: len(path)] == path or path[: len(field)] == field for path in self._lists)

    def apply(self, attributes: dict[str, Any], left: Left) -> None:
        """Make objects of the lists in `attributes`, in place. A list that is none of pairs stays, and is told."""
        for path, members in self._lists.items():
            holder: Any = attributes
            for name in path[:-1]:
                holder = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(holder, dict) and isinstance(holder.get(path[-1]), list):
                made = _object_of(holder[path[-1]], members, path[-1], left)
                if made is not None:
                    holder[path[-1]] = made


def _object_of(pairs: list[Any], members: PairMembers, field: str, left: Left) -> dict[str, Any] | None:
    made: dict[str, Any] = {}
    for pair in pairs:
        name = pair.get(members.name) if isinstance(pair, dict) else None
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name:
            left(f"`{field}` is no list of {{{members.name}, {members.value}}} and stays a list")
            return None
        if name in made:
            left(f"a name occurs twice in `{field}`; the last of them was taken")
        made[name] = pair.get(members.value)
    return made
