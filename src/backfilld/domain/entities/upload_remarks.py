"""What is remarkable about the entities of an upload, though nothing is wrong with it.

Nothing that an upload replaces, leaves out or may have misunderstood passes without a word: it is counted, with the
first places, and comes back as sentences for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from backfilld.domain.entities.ids import looks_rounded, may_be_rounded, trimmed

PLACES_SHOWN = 5
ROUNDED_HINT = "a spreadsheet rounds long numbers; make the column text there, and export it again"


@dataclass(frozen=True, slots=True)
class Replaced:
    """An entity of an upload that a later one with the same id replaced, and where both stood."""

    id: str
    place: int
    by_place: int


@dataclass(slots=True)
class Places:
    """How often something was seen, and where first. `an_id` is that of the first."""

    count: int = 0
    first: list[int] = field(default_factory=list)
    an_id: str = ""

    def add(self, place: int, id: str = "") -> None:
        self.count += 1
        if self.count == 1:
            self.an_id = id
        if len(self.first) < PLACES_SHOWN:
            self.first.append(place)

    def __str__(self) -> str:
        """`/2, /3 and 7 more`."""
        return told_places([f"/{place}" for place in self.first], self.count)


class IdRemarks:
    """Ids that may be others than they seem; `see` every one of an upload."""

    def __init__(self) -> None:
        self.invisible = Places()
        self.rounded = Places()

    def see(self, id: str, place: int) -> None:
        if id.isascii() and id[0] > " " and id[-1] > " " and "E+" not in id:  # nearly always, and quick
            return
        if id != trimmed(id):
            self.invisible.add(place, id)
        if looks_rounded(id):
            self.rounded.add(place, id)

    def warnings(self) -> list[str]:
        found = []
        if self.invisible.count:
            found.append(
                f"{_ids(self.invisible.count)} a blank or an invisible character at an end, such as"
                f" {self.invisible.an_id!a} (at {self.invisible}): without it, that is another entity"
            )
        if self.rounded.count:
            found.append(
                f"{_ids(self.rounded.count)} the look of a rounded number, such as {self.rounded.an_id!r}"
                f" (at {self.rounded}): {ROUNDED_HINT}"
            )
        return found


def replaced_warning(count: int, first: Sequence[Replaced]) -> str:
    """What to say of entities that a later one of the same upload replaced; `first` of them in their order."""
    shown = told_places([f"/{one.place} by /{one.by_place} (id {one.id[:60]!r})" for one in first], count)
    what = "1 entity was" if count == 1 else f"{count:,} entities were"
    text = f"{what} replaced by a later one with the same id in this upload: {shown}"
    return f"{text}; {ROUNDED_HINT}" if any(may_be_rounded(one.id) for one in first) else text


def older_warning(count: int) -> str:
    """What to say of entities that changed nothing, because a later one is stored."""
    what = "1 entity is" if count == 1 else f"{count:,} entities are"
    return f"{what} older than what is stored (by updated_at) and changed nothing"


def told_places(first: Sequence[str], count: int) -> str:
    """The first places, and how many more there are."""
    more = count - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more > 0 else "")


def _ids(count: int) -> str:
    return "1 id has" if count == 1 else f"{count:,} ids have"
