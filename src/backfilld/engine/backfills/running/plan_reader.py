"""Reads the plan ahead, so that a free slot never waits for the database.

The lease makes the runner the only reader, so nothing is claimed: pages by keyset, anti-joined with what
has ended, and the attributes read again with the page. How far ahead follows the pace: no more than is
started within half of `freshness`, so that a target sees a record as it is and not as it was planned; nor
more than is little memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.entities.attributes_text import Content
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.engine.backfills.limits.read_ahead import bytes_of
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.attributes import (
    GONE,
    items_of,
    judged,
    planned,
    read_content,
    read_each,
    renewed,
    still_matching,
)
from backfilld.sources.base import EntitySource
from backfilld.store.ledger.entries import PlanRow
from backfilld.store.ledger.plan_pages import PlanPage
from backfilld.store.ledger.recovery import RecoveryStore

LEAST_AHEAD = 100  # of a source to which a request is dear: what grows old meanwhile is read again together
NEARLY_STALE = 0.5  # of the time that attributes may be kept


class PlanReader:
    """The items of one backfill in the order in which they shall start: returned ones, due retries, the plan."""

    def __init__(
        self,
        run: Run,
        source: EntitySource | None,
        account: RunState,
        *,
        wants_another: Callable[[], bool] = lambda: False,
    ) -> None:
        """`wants_another`: whether what was refused shall come last, since the next one is to show who is meant."""
        backfill, tools = run.backfill, run.context
        self._number = backfill.number
        self._entity_type = backfill.settings.entity_type or NOT_ENUMERABLE
        self._ledger = tools.ledger
        self._source = source
        self._reads_again = source is not None and source.can_be_read_again
        self._rechecks = backfill.settings.recheck
        self._matches = still_matching(backfill) if self._reads_again else None
        self._account = account
        self._hand_out = account.hand_out
        self._clock = tools.clock
        own = None if source is None else source.freshness_seconds
        self._freshness = tools.limits.freshness_seconds if own is None else own
        self._least = 1 if own is None else LEAST_AHEAD
        self._sample = backfill.sample_open
        self._sample_position = 0
        self._returned: deque[Item] = deque()
        self._refused: deque[Item] = deque()
        self._wants_another = wants_another
        self._ahead: deque[Item] = deque()
        self._reads_on_at = 0  # so few left ahead, and more is read
        self._slots = 1
        self._read_ahead = tools.read_ahead
        self._read_ahead.join(self)
        self._item_bytes = 0.0  # about, by the last page
        self._loading: asyncio.Task[None] | None = None
        self._exhausted = False

    @property
    def reads_sample(self) -> bool:
        """True if only the sample is read."""
        return self._sample

    @property
    def is_exhausted(self) -> bool:
        """True if nothing of the plan is left to be started for the first time."""
        return self._exhausted and not self._ahead and self._loading is None

    @property
    def has_more(self) -> bool:
        """True if nothing more of the plan may be handed out now, though there is, or may be, more."""
        return not self._hand_out.has_room and not self.is_exhausted

    @property
    def has_returned(self) -> bool:
        """True while something that was given back has not been read again."""
        return bool(self._returned or self._refused)

    @property
    def has_only_refused(self) -> bool:
        """True if nothing but what was refused is left to be started, now or later."""
        account = self._account
        waits_for_retry = not account.retries_known or account.next_retry_at is not None
        return self.is_exhausted and not self._returned and not waits_for_retry

    def obey(self, backfill: Backfill) -> None:
        """See whether it is tested again, by its present settings; what is at hand is judged anew if that changed."""
        if backfill.settings.recheck is self._rechecks:
            return
        self._rechecks = backfill.settings.recheck
        self._matches = still_matching(backfill) if self._reads_again else None
        for at_hand in (self._returned, self._refused, self._ahead):
            items = [judged(item, self._matches) for item in at_hand]
            at_hand.clear()
            at_hand.extend(items)

    async def next_planned(self, slots: int) -> Item | None:
        """The next item of the plan (or the sample); None when there is none left, or no more may be handed out yet."""
        if self._returned:
            return self._returned.popleft()
        if self._refused and not self._wants_another():
            return self._refused.popleft()
        self._slots = slots
        while not self._ahead and not self.is_exhausted:
            await self._loaded()
        self._read_on()
        if self._ahead and self._account.may_hand_out():
            self._hand_out.handed += 1
            return self._ahead.popleft()
        return self._refused.popleft() if self._refused else None

    def take_read(self) -> Item | None:
        """The next of the plan if it is at hand and there is nothing to be said of it; never waits."""
        ahead = self._ahead
        hand_out = self._hand_out
        if self._returned or self._refused or not ahead or ahead[0].skip_reason or hand_out.handed >= hand_out.limit:
            return None
        if len(ahead) <= self._reads_on_at:
            self._read_on()
        hand_out.handed += 1
        return ahead.popleft()

    async def next_retries(self, now: datetime, most: int) -> list[Item]:
        """Due retries, at most `most`; each is taken until it is recorded or given back."""
        account = self._account
        if account.retries_known and (account.next_retry_at is None or account.next_retry_at > now):
            return []
        fence = account.lease.fence
        rows = await self._ledger.read_retries(self._number, fence, due_at=now, taken=account.taken, most=most)
        rows = [row for row in rows if row.position not in account.taken]  # some may have ended while we asked
        account.taken.update(row.position for row in rows)
        account.retries_known = False  # until all of this has come to its end
        account.next_retry_at = None  # before looking, so that one that is recorded meanwhile is not lost
        try:
            items = await self._items(rows, is_retry=True)
            if items:
                reached(Point.READER_RETRIES_READ)
            found = await self._ledger.next_retry(self._number, taken=account.taken)
        except BaseException:
            account.taken.difference_update(row.position for row in rows)
            raise
        account.next_retry_at = _earlier(account.next_retry_at, found)
        account.retries_known = True
        return items

    async def next_repeats(self, store: RecoveryStore, before_fence: int, most: int) -> list[Item]:
        """Retries that owners before that fence took and that nobody heard of since, at most `most`."""
        account = self._account
        rows = await store.read_repeats(self._number, before_fence, taken=account.taken, most=most)
        items = await self._items(rows, is_retry=True)
        account.taken.update(row.position for row in rows)
        return items

    async def wait_anew(self, now: datetime) -> bool:
        """See whether retries wait for so long only because the clock was set back; True: they are to be read again."""
        if not await self._ledger.wait_anew(self._number, self._account.lease.fence, now):
            return False
        self._account.retries_known, self._account.next_retry_at = False, None
        return True

    def next_returned(self, wanted: Callable[[Item], bool], *, refused: bool = False) -> Item | None:
        """The first that was given back (`refused`: by its target) and is `wanted`."""
        returned = self._refused if refused else self._returned
        found = next((item for item in returned if wanted(item)), None)
        if found is not None:
            returned.remove(found)
        return found

    def came_back(self, item: Item) -> bool:
        """True if it was given back, and has not been read again."""
        return any(other.position == item.position for other in (*self._returned, *self._refused))

    def give_back(self, item: Item) -> None:
        """The gate sent it back untouched: it comes again before everything else."""
        self._returned.append(item)

    def give_back_refused(self, item: Item) -> None:
        """Its target refused it, or us: it comes again as soon as another one has shown which."""
        self._refused.append(item)

    def is_stale(self, item: Item) -> bool:
        """True if the attributes were read too long ago to be sent."""
        return self._reads_again and self._clock.boottime() - item.read_at > self._freshness

    async def refreshed(self, item: Item) -> Item:
        """The item with attributes that are fresh enough to be sent.

        What else is stale ahead is read again with it, where a source says how long it may be kept: to such a one a
        request is dear. What is nearly stale is taken for stale, or it would cost another one soon.
        """
        source = self._source
        if source is None or not self.is_stale(item):
            return item
        read_at = self._clock.boottime()
        soon = self._freshness * NEARLY_STALE
        ahead = [] if source.freshness_seconds is None else [one for one in self._ahead if read_at - one.read_at > soon]
        found = await read_content(source, self._entity_type, [item.entity_id, *(one.entity_id for one in ahead)])
        if ahead:
            anew = {one.position: renewed(one, found.get(one.entity_id), read_at, self._matches) for one in ahead}
            self._ahead = deque(anew.get(one.position, one) for one in self._ahead)
        return renewed(item, found.get(item.entity_id), read_at, self._matches)

    async def stop(self) -> None:
        """Let go of what is being read."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
            if not self._loading.cancelled():
                self._loading.exception()  # seen, and of no interest any more
            self._loading = None

    def _read_on(self) -> None:
        """Read more in the background, if little is left ahead."""
        if len(self._ahead) <= self._reads_on_at and not self._exhausted and self._loading is None:
            self._loading = asyncio.ensure_future(self._load())

    async def _loaded(self) -> None:
        """Wait until more is ahead, or there is no more. What was not to be had in the background may be by now."""
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = asyncio.ensure_future(self._load())
        loading = self._loading
        try:
            await asyncio.shield(loading)
        finally:
            if loading.done() and self._loading is loading:
                self._loading = None

    async def _load(self) -> None:
        most = self._most_at_once()
        since = self._sample_position if self._sample else self._account.next_position
        page = await self._ledger.read_plan(self._number, since=since, most=most, sample=self._sample)
        reached(Point.READER_PLAN_READ)
        items = await self._items(page.rows, is_retry=False)
        self._went_on(page)
        self._item_bytes = bytes_of(items) if items else self._item_bytes
        self._ahead.extend(items)
        self._reads_on_at = most // 2
        self._loading = None

    def _went_on(self, page: PlanPage) -> None:
        """The page is at hand: from now on its positions count as read, and the next begins behind it."""
        rows = page.rows
        self._exhausted = page.goes_on_at is None
        next_position = page.goes_on_at or (rows[-1].position + 1 if rows else None)
        if self._sample:
            self._sample_position = next_position or self._sample_position
            return
        for row in rows:
            self._account.read(row.position)
        self._account.next_position = next_position or self._account.next_position

    def _most_at_once(self) -> int:
        pace = self._account.pace() * self._freshness / 2
        wanted = max(2 * self._slots, self._least, int(pace))
        return min(wanted, self._read_ahead.most(1.5 * self._item_bytes))  # it is read while half a page is left

    async def _items(self, rows: Sequence[PlanRow], *, is_retry: bool) -> list[Item]:
        if not rows:
            return []
        read_at = self._clock.boottime()
        entities = await self._read_entities(rows)
        matches = None if is_retry else self._matches
        return items_of(self._number, rows, entities, read_at, is_retry=is_retry, matches=matches)

    async def _read_entities(self, rows: Sequence[PlanRow]) -> list[Content]:
        """The entities as they are now; as the plan holds them where they cannot be read again."""
        source = self._source
        if source is None or not self._reads_again:
            return [planned(row) for row in rows]
        found = await read_each(source, self._entity_type, [row.entity_id for row in rows])
        return [found.get(row.entity_id, GONE) for row in rows]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)
