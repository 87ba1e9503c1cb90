"""Whether a backfill that is asked for makes sense, and what its parts come to.

Looks at what the decoder could read of a body, and collects every fault that types alone do not show: windows, time
zone, filter, workflow, ids. What could not be read has been named by the decoder; so both lists of faults together are
complete, and the caller mends everything at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.clock import Clock
from backfilld.domain.backfill_settings import BackfillSettings, can_rehearse
from backfilld.domain.backfills.rechecking import recheck_fault
from backfilld.domain.entities.ids import is_fit, why_unfit
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, Unavailable
from backfilld.domain.filters import MatchAll, Tree, read_filter, resolve
from backfilld.domain.windows.openings import HORIZON, Calendar
from backfilld.domain.windows.timezones import parse_zone
from backfilld.domain.windows.weekly import WeeklyWindows, parse_windows
from backfilld.domain.windows.zone_hints import zone_warnings
from backfilld.operations.backfills.ids_found import doubled_warnings
from backfilld.operations.hints.label_hints import with_labels
from backfilld.sources.base import SourceBroken, SourceBusy, SourceRefused, SourceUnreachable, TypeNotOffered
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
    approval_by_another: bool = False
    delete_needs_admin: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A body that asks for a backfill, or what a filter matches, as far as it could be read.

    What was left out, or could not be read, is None; `read` and `unread` name the fields that were sent.
    """

    read: frozenset[str]
    unread: frozenset[str]
    entity_type: str | None = None
    filter_spec: Any = None
    daily_execution_windows: Any = None
    timezone: str | None = None
    target_workflow_id: int | None = None
    entity_ids: Sequence[str] | None = None
    rehearsal: bool | None = None
    recheck: bool | None = None

    @staticmethod
    def of(parts: Mapping[str, Any], unread: frozenset[str]) -> "Asked":
        """From the values that were read, by name."""
        names = (field.name for field in fields(Asked))
        return Asked(frozenset(parts), unread, **{name: parts[name] for name in names if name in parts})

    @property
    def names_ids(self) -> bool:
        """Whether it is meant for some ids alone."""
        return self.entity_ids is not None or "entity_ids" in self.unread


@dataclass(slots=True)
class Checked:
    """What was found. Parts are None where there are faults, or where they were not asked for."""

    zone: ZoneInfo
    windows: WeeklyWindows | None = None
    tree: Tree | None = None
    written: Tree | None = None  # the same filter with its dates as they were sent
    target: RunnableWorkflow | None = None
    recheck: bool = False  # as was chosen, or as is usual for the type
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def calendar(self, excluded_dates: frozenset[date]) -> Calendar | None:
        """The windows as instants."""
        return None if self.windows is None else Calendar(self.windows, self.zone, excluded_dates)

    def require(self, faults: Sequence[Fault] = ()) -> None:
        """Raise Invalid with `faults`, which the decoder found, and with those found here."""
        if both := [*faults, *self.faults]:
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

    def looked_at(self) -> tuple[RunnableWorkflow | None, Calendar, Tree]:
        """As `whole`, of a body that need not name a workflow, as nothing is made of it."""
        self.checked.require()
        calendar, tree = self.checked.calendar(self.settings.excluded_dates), self.checked.tree
        if calendar is None or tree is None:
            raise ValueError("a body that was not checked as a whole")
        return self.checked.target, calendar, tree

    def whole(self) -> tuple[RunnableWorkflow, Calendar, Tree]:
        """What a body without faults comes to; Invalid for one with faults."""
        target, calendar, tree = self.looked_at()
        if target is None:
            raise ValueError("a body that was not checked as a whole")
        return target, calendar, tree


class Checker:
    """Checks bodies; looks things up, changes nothing."""

    def __init__(self, targets: RunnableWorkflowStore, sources: SourceRegistry, clock: Clock, limits: Limits) -> None:
        self._targets = targets
        self._sources = sources
        self._clock = clock
        self._limits = limits

    async def backfill(self, asked: Asked) -> Checked:
        """What is wrong with a body that asks for a backfill, or wants to know what it would do."""
        checked = _start(asked)
        if "daily_execution_windows" in asked.read:
            _windows(asked, checked)
        checked.warnings += doubled_warnings(asked.entity_ids or ())
        checked.faults += _unfit(asked.entity_ids or ())
        if "timezone" not in asked.read | asked.unread:
            checked.warnings.append(self._about_utc())
        await self._filter(asked, checked)
        await self._target(asked, checked)
        if asked.entity_type is not None:
            self._recheck(asked.entity_type, asked.recheck, checked)
        return checked

    async def filter(self, asked: Asked) -> Checked:
        """What is wrong with a body that asks what a filter matches."""
        checked = _start(asked)
        await self._filter(asked, checked)
        return checked

    def changes(self, asked: Asked) -> Checked:
        """What is wrong with a body that changes the windows or the zone of a backfill; null is for others to judge."""
        checked = _start(asked)
        if asked.daily_execution_windows is not None:
            _windows(asked, checked)
        return checked

    async def _filter(self, asked: Asked, checked: Checked) -> None:
        entity_type = asked.entity_type
        if entity_type == NOT_ENUMERABLE and not asked.names_ids:
            message = "entities of type 'none' cannot be listed; name them in `entity_ids`"
            checked.faults.append(Fault("/entity_type", "entity_type_not_enumerable", message))
        if "filter_spec" not in asked.read:
            return
        must_be_explicit = self._limits.require_explicit_match_all and entity_type != NOT_ENUMERABLE
        read = read_filter(asked.filter_spec, "/filter_spec", require_explicit_match_all=must_be_explicit)
        checked.faults += read.faults
        if read.tree is None:
            return
        if entity_type == NOT_ENUMERABLE:
            if not isinstance(read.tree, MatchAll):
                message = "entities of type 'none' have no attributes, so the filter must be {}"
                checked.faults.append(Fault("/filter_spec", "filter_without_attributes", message))
            checked.tree = MatchAll()
            return
        # with ids an empty filter leaves nothing open to surprise
        if not (asked.names_ids and isinstance(read.tree, MatchAll)):
            checked.warnings += read.warnings
        known = await self._known_fields(entity_type, checked)
        if known is None:
            return
        resolved = resolve(read.tree, now=self._clock.now(), zone=checked.zone, known_fields=known)
        checked.faults += with_labels(resolved.faults, read.tree, self._sources.labels(entity_type or ""))
        checked.tree = None if resolved.faults else resolved.tree
        checked.written = read.tree

    async def _known_fields(self, entity_type: str | None, checked: Checked) -> Fields | None:
        """None, and a fault, if the type's source is broken. Unavailable while that cannot be known."""
        if entity_type is None:
            return {}
        try:
            return await self._sources.known_fields(entity_type)
        except TypeNotOffered as problem:
            checked.faults.append(Fault("/entity_type", "entity_type_not_offered", str(problem), problem.offered))
            return None
        except SourceBroken as problem:
            message = f"entities of type '{entity_type}' cannot be listed: {problem}"
            checked.faults.append(Fault("/entity_type", "source_broken", message))
            return None
        except SourceUnreachable as problem:
            raise Unavailable(f"{_why(entity_type, problem)}: {problem}", code=_code_of(problem)) from problem

    async def _target(self, asked: Asked, checked: Checked) -> None:
        wanted = asked.target_workflow_id
        if wanted is None:
            return
        target = await self._targets.find(wanted)
        if target is not None and target.enabled:
            checked.target = target
            if asked.rehearsal and not can_rehearse(target.definition):
                message = f"workflow {wanted} ({target.name}) has no `rehearsal: true`, so it might act"
                checked.faults.append(Fault("/rehearsal", "rehearsal_not_supported", message))
            return
        known = await self._targets.list_enabled(MOST_WORKFLOWS_NAMED)
        there_are = "; enabled are " + ", ".join(f"{id} ({name})" for id, name in known) if known else ""
        if target is None:
            code, message = "workflow_not_found", f"there is no workflow {wanted}{there_are or '; none is defined yet'}"
        else:
            code, message = "workflow_disabled", f"{target.disabled_text}{there_are}"
        checked.faults.append(Fault("/target_workflow_id", code, message, tuple(str(id) for id, _ in known)))

    def _recheck(self, entity_type: str, wanted: bool | None, checked: Checked) -> None:
        checked.recheck = wanted or (wanted is None and self._sources.rechecks(entity_type))
        if wanted and (fault := recheck_fault(entity_type, reads_again=self._sources.reads_again(entity_type))):
            checked.faults.append(fault)

    def _about_utc(self) -> str:
        now = self._clock.now()
        local = now.astimezone()  # the machine's own zone, for people to compare with
        return (
            f"no timezone was given, so windows and dates are in UTC: it is {now:%H:%M} there now,"
            f" and {local:%H:%M} ({local:%Z}) on this server's clock"
        )


def _why(entity_type: str, problem: SourceUnreachable) -> str:
    what = "refuses us" if isinstance(problem, SourceRefused) else "does not answer"
    return f"the source of type '{entity_type}' {'may not be asked now' if isinstance(problem, SourceBusy) else what}"


def _code_of(problem: SourceUnreachable) -> str:
    if isinstance(problem, SourceRefused):
        return "source_refused"
    return "source_budget" if isinstance(problem, SourceBusy) else "source_unreachable"


def _start(asked: Asked) -> Checked:
    zone = parse_zone(UTC_NAME if asked.timezone is None else asked.timezone, "/timezone")
    if isinstance(zone, Fault):
        return Checked(ZoneInfo(UTC_NAME), faults=[zone])
    return Checked(zone, warnings=zone_warnings(zone.key))


def _windows(asked: Asked, checked: Checked) -> None:
    windows, faults, warnings = parse_windows(asked.daily_execution_windows, "/daily_execution_windows")
    checked.windows = windows
    checked.faults += faults
    checked.warnings += warnings


def _unfit(ids: Sequence[str]) -> list[Fault]:
    """The first ids that cannot be ids."""
    unfit = ((number, id) for number, id in enumerate(ids) if not is_fit(id))
    return [
        Fault(f"/entity_ids/{number}", "invalid_entity_id", why_unfit(id)) for number, id in islice(unfit, FAULTS_SHOWN)
    ]


def opening_warnings(calendar: Calendar, now: datetime) -> list[str]:
    """What is remarkable about when these windows open."""
    if calendar.next_opening(now) is None:
        return [f"these windows do not open within the next {HORIZON.days} days, so nothing will start"]
    return []
