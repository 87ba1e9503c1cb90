"""What failed in a backfill, by what the failures have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backfilld.domain.backfills.failures.fingerprints import common_text
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.history.error_groups import ErrorGroups, Example, GroupRow

MOST_GROUPS = 200
EXAMPLES = 5
COMPARED = 20  # messages of a group, to see in which of its parts they differ
OLD_AT_ONCE = 20_000  # failures of before there were groups that a look at them may group


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures with one fingerprint. `fingerprint` None: all the others together, of which there are too many kinds."""

    fingerprint: bytes | None
    error_class: str | None
    message: str
    count: int
    first_at: datetime | None
    last_at: datetime | None
    entity_ids: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failures:
    """The groups, the most frequent first; `ungrouped`: failures of an old backfill that are still to be grouped."""

    groups: Sequence[ErrorGroup]
    ungrouped: int


class ErrorReading:
    """Reads failures alone, however much succeeded."""

    def __init__(self, store: BackfillStore, groups: ErrorGroups) -> None:
        self._store = store
        self._groups = groups

    async def list_groups(self, id: UUID, *, only: bytes | None = None) -> Failures:
        """At most MOST_GROUPS, and one that stands for all the others. NotFound for the backfill."""
        number = (await self._store.get(id)).number
        await self._groups.group_old(number, most=OLD_AT_ONCE)
        found = await self._groups.list_groups(number, only=only, most=MOST_GROUPS + 1)
        shown = found[:MOST_GROUPS]
        examples = await self._groups.list_examples(number, [row.fingerprint for row in shown], most=COMPARED)
        groups = [_group(row, examples[row.fingerprint]) for row in shown]
        if only is not None:
            return Failures(groups, 0)
        total, first_at, last_at = await self._groups.sum_up(number)
        rest = total - sum(group.count for group in groups)
        if len(found) > MOST_GROUPS:
            groups.append(ErrorGroup(None, None, "others", rest, first_at, last_at, (), ()))
            rest = 0
        return Failures(groups, max(0, rest))


def _group(row: GroupRow, examples: Sequence[Example]) -> ErrorGroup:
    messages = [example.error or "" for example in examples]
    return ErrorGroup(
        fingerprint=row.fingerprint,
        error_class=examples[0].error_class if examples else None,
        message=common_text(messages),
        count=row.failures,
        first_at=row.first_at,
        last_at=row.last_at,
        entity_ids=tuple(example.entity_id for example in examples[:EXAMPLES]),
        examples=tuple(messages[:EXAMPLES]),
    )
