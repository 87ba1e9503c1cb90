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
EVERY = slice(None)
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

    async def list_groups(self, id: UUID, *, only: bytes | None = None, part: slice = EVERY) -> Failures:
        """At most MOST_GROUPS, and one that stands for all the others; of these a `part`. NotFound for the backfill."""
        backfill, progress = await self._store.get_with_progress(id)
        await self._groups.group_old(backfill.number, most=OLD_AT_ONCE)
        found = await self._groups.list_groups(backfill.number, only=only, most=MOST_GROUPS + 1)
        groups = await self._with_examples(backfill.number, found[:MOST_GROUPS][part])
        if only is not None:
            return Failures(groups, 0)
        rest = progress.failed - sum(row.failures for row in found[:MOST_GROUPS])
        if len(found) <= MOST_GROUPS:
            return Failures(groups, max(0, rest))
        if MOST_GROUPS in range(MOST_GROUPS + 1)[part]:
            first_at, last_at = await self._groups.find_bounds(backfill.number)
            groups.append(ErrorGroup(None, None, "others", rest, first_at, last_at, (), ()))
        return Failures(groups, 0)

    async def list_largest(self, id: UUID, most: int) -> Sequence[ErrorGroup]:
        """The `most` frequent alone, as a page shows them that goes on being looked at. NotFound for the backfill."""
        number = (await self._store.get(id)).number
        await self._groups.group_old(number, most=OLD_AT_ONCE)
        return await self._with_examples(number, await self._groups.list_groups(number, only=None, most=most))

    async def _with_examples(self, number: int, rows: Sequence[GroupRow]) -> list[ErrorGroup]:
        examples = await self._groups.list_examples(number, [row.fingerprint for row in rows], most=COMPARED)
        return [_group(row, examples[row.fingerprint]) for row in rows]


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
