"""All backfills at one look: by group, those that need a person first, and how many each group has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Group
from backfilld.domain.unreadable import UnreadableRow
from backfilld.engine.control import Control
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.store.backfills.backfills import BackfillStore

GROUPS: Final[tuple[Group, ...]] = get_args(Group)  # in the order in which they are shown
MOST_OF_ACTIVE = 50


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some of a group, newest first. `more`: there are others behind them."""

    group: Group
    views: Sequence[BackfillView | UnreadableRow]
    more: bool


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """What there is, and how many of each group in all."""

    counts: Mapping[Group, int]
    groups: Sequence[GroupPage]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Overview:
    """Reads it. One question for the counts, and one for each group that is not empty."""

    def __init__(self, store: BackfillStore, viewer: Viewer, control: Control, clock: Clock) -> None:
        self._store = store
        self._viewer = viewer
        self._control = control
        self._clock = clock

    async def read(
        self, only: Group | None = None, *, text: str | None = None, before_number: int | None = None, limit: int
    ) -> OverviewPage:
        """All groups, or one, with at most `limit` of each; `text` as people search for a name."""
        now, stopped = self._clock.now(), self._control.stop_reason() is not None
        found = await self._store.count_groups(now, stopped=stopped, text=text)
        counts = {group: found.get(group, 0) for group in GROUPS}
        pages = []
        for group in GROUPS if only is None else (only,):
            if not counts[group]:
                continue
            rows = await self._store.list_of_group(
                group, now, stopped=stopped, text=text, before_number=before_number, limit=limit + 1
            )
            views = [one if isinstance(one, UnreadableRow) else self._viewer.view(*one) for one in rows]
            pages.append(GroupPage(group, views[:limit], len(views) > limit))
        return OverviewPage(counts, pages)
