"""Whether a backfill that is asked for makes sense, and what its parts come to.

Looks at the body as it was sent and collects every fault that types alone do not show: windows, time zone, filter,
workflow, limits. Values of the wrong type are passed over in silence, because whoever decoded the body has named
them; so both lists of faults together are complete, and the caller mends everything at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.clock import Clock
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.entities.ids import is_fit, why_unfit
from backfilld.domain.entities.records import ENTITY_TYPES, NOT_ENUMERABLE
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, Unavailable
from backfilld.domain.filters import MatchAll, Tree, read_filter, resolve
from backfilld.domain.windows.openings import HORIZON, Calendar
from backfilld.domain.windows.timezones import parse_zone
from backfilld.domain.windows.weekly import WeeklyWindows, parse_windows
from backfilld.operations.backfills.ids_found import doubled_warnings
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.sources.registry import Fields, SourceRegistry
from backfilld.store.admin.runnable_workflows import RunnableWorkflow, RunnableWorkflowStore

MOST_WORKFLOWS_NAMED = 20
UTC_NAME = "UTC"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration says about backfills."""

    max_in_flight: int = 10
    count_timeout_seconds: float = 2.0
    require_explicit_match_all: bool = False
    allow_concurrent_per_workflow: bool = False


@dataclass(slots=True)
class Checked:
    """What was found. Parts are None where there are faults, or where they were not asked for."""

    zone: ZoneInfo
    windows: WeeklyWindows | None = None
    tree: Tree | None = None
    written: Tree | None = None  # the same filter with its dates as they were sent
    target: RunnableWorkflow | None = None
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def calendar(self, excluded_dates: frozenset[date]) -> Calendar | None:
        """The windows as instants."""
        return None if self.windows is None else Calendar(self.windows, self.zone, excluded_dates)

    def require(self, faults: Sequence[Fault] = ()) -> None:
        """Raise Invalid with `faults`, which the decoder found, and with those found here at other places."""
        known = [fault.path for fault in faults]
        ours = [fault for fault in self.faults if not any(_within(fault.path, path) for path in known)]
        if both := [*faults, *ours]:
            raise Invalid(both[:FAULTS_SHOWN])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A backfill that is asked for: what was chosen, what it comes to, and the ids, if only these are wanted."""

    settings: BackfillSettings
    checked: Checked
    entity_ids: tuple[str, ...] | None = None  # distinct

    @property
    def entity_type(self) -> str:
        return self.settings.entity_type or NOT_ENUMERABLE

    def whole(self) -> tuple[RunnableWorkflow, Calendar, Tree]:
        """What a body without faults comes to; Invalid for one with faults."""
        self.checked.require()
        target, calendar = self.checked.target, self.checked.calendar(self.settings.excluded_dates)
        if target is None or calendar is None or self.checked.tree is None:
            raise ValueError("a body that was not checked as a whole")
        return target, calendar, self.checked.tree


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(outer + "/")


class Checker:
    """Checks bodies; looks things up, changes nothing."""

    def __init__(self, targets: RunnableWorkflowStore, sources: SourceRegistry, clock: Clock, limits: Limits) -> None:
        self._targets = targets
        self._sources = sources
        self._clock = clock
        self._limits = limits

    async def backfill(self, body: Mapping[str, Any]) -> Checked:
        """What is wrong with a body that asks for a backfill, or wants to know what it would do."""
        checked = self._start(body)
        self._windows(body, checked)
        self._in_flight(body, checked)
        _entity_ids(body, checked)
        if "timezone" not in body:
            checked.warnings.append(self._about_utc())
        await self._filter(body, checked)
        await self._target(body, checked)
        return checked

    async def filter(self, body: Mapping[str, Any]) -> Checked:
        """What is wrong with a body that asks what a filter matches."""
        checked = self._start(body)
        await self._filter(body, checked)
        return checked

    def _start(self, body: Mapping[str, Any]) -> Checked:
        zone = parse_zone(body.get("timezone", UTC_NAME), "/timezone")
        if isinstance(zone, Fault):
            return Checked(ZoneInfo(UTC_NAME), faults=[zone])
        return Checked(zone)

    def _windows(self, body: Mapping[str, Any], checked: Checked) -> None:
        if "daily_execution_windows" in body:
            windows, faults, warnings = parse_windows(body["daily_execution_windows"], "/daily_execution_windows")
            checked.windows = windows
            checked.faults += faults
            checked.warnings += warnings

    def _in_flight(self, body: Mapping[str, Any], checked: Checked) -> None:
        asked, most = body.get("max_in_flight"), self._limits.max_in_flight
        if isinstance(asked, int | float) and not isinstance(asked, bool) and asked > most:
            checked.faults.append(Fault("/max_in_flight", "out_of_range", f"must be at most {most}"))

    async def _filter(self, body: Mapping[str, Any], checked: Checked) -> None:
        entity_type = body.get("entity_type")
        if entity_type == NOT_ENUMERABLE and body.get("entity_ids") is None:
            message = "entities of type 'none' cannot be listed; name them in `entity_ids`"
            checked.faults.append(Fault("/entity_type", "entity_type_not_enumerable", message))
        if "filter_spec" not in body:
            return
        must_be_explicit = self._limits.require_explicit_match_all and entity_type != NOT_ENUMERABLE
        read = read_filter(body["filter_spec"], "/filter_spec", require_explicit_match_all=must_be_explicit)
        checked.faults += read.faults
        if read.tree is None:
            return
        if entity_type == NOT_ENUMERABLE:
            if not isinstance(read.tree, MatchAll):
                message = "entities of type 'none' have no attributes, so the filter must be {}"
                checked.faults.append(Fault("/filter_spec", "filter_without_attributes", message))
            checked.tree = MatchAll()
            return
        if body.get("entity_ids") is None:  # with ids an empty filter leaves nothing open to surprise
            checked.warnings += read.warnings
        known = await self._known_fields(entity_type, checked)
        if known is None:
            return
        resolved = resolve(read.tree, now=self._clock.now(), zone=checked.zone, known_fields=known)
        checked.faults += resolved.faults
        checked.tree = None if resolved.faults else resolved.tree
        checked.written = read.tree

    async def _known_fields(self, entity_type: Any, checked: Checked) -> Fields | None:
        """None, and a fault, if the type's source is broken. Unavailable while that cannot be known."""
        if entity_type not in ENTITY_TYPES:
            return {}
        try:
            return await self._sources.known_fields(entity_type)
        except SourceBroken as problem:
            message = f"entities of type '{entity_type}' cannot be listed: {problem}"
            checked.faults.append(Fault("/entity_type", "source_broken", message))
            return None
        except SourceUnreachable as problem:
            message = f"the source of type '{entity_type}' does not answer: {problem}"
            raise Unavailable(message, code="source_unreachable") from problem

    async def _target(self, body: Mapping[str, Any], checked: Checked) -> None:
        asked = body.get("target_workflow_id")
        if isinstance(asked, float) and asked.is_integer():
            asked = int(asked)
        if not isinstance(asked, int) or isinstance(asked, bool) or not 0 < asked < 2**63:
            return
        target = await self._targets.find(asked)
        if target is not None and target.enabled:
            checked.target = target
            return
        known = await self._targets.list_enabled(MOST_WORKFLOWS_NAMED)
        there_are = "; enabled are " + ", ".join(f"{id} ({name})" for id, name in known) if known else ""
        if target is None:
            code, message = "workflow_not_found", f"there is no workflow {asked}{there_are or '; none is defined yet'}"
        else:
            code, message = "workflow_disabled", f"workflow {asked} ({target.name}) is disabled{there_are}"
        checked.faults.append(Fault("/target_workflow_id", code, message, tuple(str(id) for id, _ in known)))

    def _about_utc(self) -> str:
        now = self._clock.now()
        local = now.astimezone()  # the machine's own zone, for people to compare with
        return (
            f"no timezone was given, so windows and dates are in UTC: it is {now:%H:%M} there now,"
            f" and {local:%H:%M} ({local:%Z}) on this server's clock"
        )


def _entity_ids(body: Mapping[str, Any], checked: Checked) -> None:
    ids = body.get("entity_ids")
    if not isinstance(ids, list):
        return
    checked.warnings += doubled_warnings([id for id in ids if isinstance(id, str)])
    for number, id in enumerate(ids):
        if isinstance(id, str) and not is_fit(id):
            checked.faults.append(Fault(f"/entity_ids/{number}", "invalid_entity_id", why_unfit(id)))
            if len(checked.faults) >= FAULTS_SHOWN:
                return


def opening_warnings(calendar: Calendar, now: datetime) -> list[str]:
    """What is remarkable about when these windows open."""
    if calendar.next_opening(now) is None:
        return [f"these windows do not open within the next {HORIZON.days} days, so nothing will start"]
    return []
