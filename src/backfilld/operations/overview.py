"""All backfills at one look: by group, those that need a person first, and how many each group has."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from backfilld.clock import Clock
from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.backfills.holding import Group
from backfilld.domain.sentences import Sentence
from backfilld.domain.unreadable import UnreadableRow
from backfilld.engine.control import Control
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.store.backfills.backfills import BackfillFilter, BackfillStore

log = logging.getLogger(__name__)
GROUPS: Final[tuple[Group, ...]] = get_args(Group)  # in the order in which they are shown


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some of a group, newest first. `more`: there are others behind them."""

    group: Group
    seen: Sequence[tuple[BackfillView, Explanation] | UnreadableRow]
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

    async def count(self, text: str | None = None) -> dict[Group, int]:
        """How many there are of each group."""
        stopped = self._control.stop_reason() is not None
        found = await self._store.count_groups(self._clock.now(), stopped=stopped, text=text)
        return {group: found.get(group, 0) for group in GROUPS}

    async def read(
        self,
        only: Group | None = None,
        *,
        text: str | None = None,
        before_number: int | None = None,
        limits: Mapping[Group, int],
    ) -> OverviewPage:
        """All groups, or one, with at most so many of each as `limits` says; `text` as people search for a name."""
        now, stopped = self._clock.now(), self._control.stop_reason() is not None
        counts = await self.count(text)
        found = {}
        for group in GROUPS if only is None else (only,):
            if counts[group]:
                found[group] = await self._store.list_page(
                    BackfillFilter(group=group, text=text), now=now, stopped=stopped, before_number=before_number,
                    limit=limits[group] + 1,
                )  # fmt: skip
        shown = [one for group, rows in found.items() for one in rows[: limits[group]]]
        views = iter(await self._viewer.see_all([one for one in shown if not isinstance(one, UnreadableRow)]))
        pages = []
        for group, rows in found.items():
            seen = [one if isinstance(one, UnreadableRow) else self._seen(next(views)) for one in rows[: limits[group]]]
            pages.append(GroupPage(group, seen, len(rows) > limits[group]))
        return OverviewPage(counts, pages)

    def _seen(self, view: BackfillView) -> tuple[BackfillView, Explanation]:
        try:
            return view, self._viewer.explain(view, {})
        except Exception:  # one that cannot be explained hides no other
            log.exception("why backfill %s stands where it does cannot be told", view.backfill.id)
            told: Sentence = (view.reason.message if view.reason else str(view.backfill.status),)
            return view, Explanation(False, (told,), (), (), None)
