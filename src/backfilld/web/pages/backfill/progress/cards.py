"""The cards of the page that says how far a backfill is, each drawn by itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backfilld.clock import Clock
from backfilld.domain.calendars import shown_zone
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.web.frame.cards import Cards, Draw
from backfilld.web.pages.backfill.errors import groups_of
from backfilld.web.pages.backfill.progress.chart import chart_of
from backfilld.web.pages.backfill.progress.numbers import MOST_SLOTS, numbers_of, slots_of
from backfilld.web.pages.backfill.progress.openings import openings_of
from backfilld.web.pages.backfill.shell import PARTS, Looked, quoted
from backfilld.web.pages.backfill.timeline import days_of

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_GROUPS = 6
LATEST = 7
WINDOWS = frozenset({"daily_execution_windows", "timezone", "excluded_dates"})


@dataclass(frozen=True, slots=True)
class Moving:
    """What changes all the time."""

    progress: "Markup"
    flight: "Markup"


class ProgressCards:
    """Reads and draws."""

    def __init__(self, draw: Draw, operations: BackfillOperations, audit: AuditReading, clock: Clock) -> None:
        self._draw = draw
        self._operations = operations
        self._audit = audit
        self._clock = clock

    async def moving(self, looked: Looked, cards: Cards) -> Moving:
        """Its numbers, and what is in flight."""

        async def progress() -> "Markup":
            shown = numbers_of(looked.view, self._clock.now())
            return self._draw(PARTS, "progress", looked.head, shown)

        return Moving(
            await cards.draw("progress", "Progress", progress),
            await cards.draw("flight", "In flight", lambda: self._flight(looked)),
        )

    async def history(self, looked: Looked, cards: Cards) -> "Markup":
        """What has happened so far and what is to come, which takes longer to read."""
        parts = {
            "chart": ("What ended when", self._chart),
            "openings": ("Openings", self._openings),
            "failed": ("What failed", self._failures),
            "timeline": ("Timeline", self._timeline),
        }
        drawn = [
            await cards.draw(f"card-{name}", title, lambda make=make: make(looked))  # type: ignore[misc]
            for name, (title, make) in parts.items()
        ]
        return self._draw(PARTS, "pair", drawn)

    async def _flight(self, looked: Looked) -> "Markup":
        view, found = looked.view, []
        if view.counts.in_flight:
            wanted = {"in_flight"}
            found = list(await self._operations.ledger.list_page(view.backfill.id, statuses=wanted, limit=MOST_SLOTS))
        return self._draw(PARTS, "flight", looked.head, slots_of(view, found, self._clock.now()), quoted)

    async def _chart(self, looked: Looked) -> "Markup":
        view = looked.view
        samples = await self._operations.history.samples(view.backfill.id, None, None, None) if view.planned else None
        shown = chart_of(view, samples.points, self._clock.now()) if samples else None
        return self._draw(PARTS, "chart", shown)

    async def _openings(self, looked: Looked) -> "Markup":
        view = looked.view
        if openings_of(view, self._clock.now()) is None:
            return self._draw(PARTS, "openings", None)
        samples = await self._operations.history.samples(view.backfill.id, None, None, None) if view.planned else None
        changes = await self._audit.last_changes(view.number)
        shown = openings_of(
            view, self._clock.now(), samples.points if samples else (), changed=not WINDOWS.isdisjoint(changes)
        )
        return self._draw(PARTS, "openings", shown)

    async def _failures(self, looked: Looked) -> "Markup":
        view, id_ = looked.view, looked.view.backfill.id
        found = await self._operations.errors.list_largest(id_, MOST_GROUPS) if view.counts.failed else []
        return self._draw(PARTS, "failed", looked.head, groups_of(found, id_))

    async def _timeline(self, looked: Looked) -> "Markup":
        events = await self._audit.latest(looked.view.number, limit=LATEST)
        days = days_of(events, shown_zone(looked.view.backfill), self._clock.now())
        return self._draw(PARTS, "timeline", looked.head, days)
