"""Slots of a schedule that are run, and the runs: the frozen records of the digdag side of the house.

A session is one slot of a workflow, known by its time; an attempt is one run of it, known by its name. An attempt
of a backfill is carried by the backfill's owner, every other one by whoever holds its own lease.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from backfilld.domain.errors import Fault
from backfilld.domain.schedules import Schedule, parse_schedule, parse_schedule_zone
from backfilld.domain.sessions.positions import Position

LONGEST_ATTEMPT_NAME = 255


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """Where the schedule of a workflow has got to, and the present definition of that workflow.

    A finished one has both next times at `FINISHED_AT`.
    """

    id: int
    project_id: int
    project_name: str
    workflow_id: int
    workflow_name: str
    workflow_enabled: bool
    revision_id: int
    definition: Mapping[str, Any]
    next_session_at: datetime
    next_run_at: datetime
    last_session_at: datetime | None
    skipped_to: datetime | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    managed_by: str = "api"  # the workflow

    @property
    def timezone(self) -> str:
        """IANA name or offset."""
        return str(self.definition.get("timezone") or "UTC")

    @property
    def position(self) -> Position:
        return Position(self.id, self.next_session_at, self.next_run_at, self.last_session_at, self.skipped_to)

    def schedule(self) -> Schedule:
        """What the definition says; ValueError if it says nothing that this version understands."""
        return schedule_of(self.definition)


def schedule_of(definition: Mapping[str, Any]) -> Schedule:
    """The schedule in a stored workflow definition, in its zone; ValueError if it cannot be read any more."""
    zone = parse_schedule_zone(definition.get("timezone") or "UTC", "/timezone")
    if isinstance(zone, Fault):
        raise ValueError(f"{zone.path}: {zone.message}")
    schedule, faults = parse_schedule(definition.get("schedule"), "/schedule", zone, stored=True)
    if schedule is None:
        raise ValueError(f"{faults[0].path}: {faults[0].message}")
    return schedule


class AttemptStatus(StrEnum):
    """Where an attempt stands, in the words of the dialect."""

    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELING = "canceling"
    SUCCESS = "success"
    ERROR = "error"
    KILLED = "killed"


class Attempt(NamedTuple):
    """One run of a session. `is_blocked`: it waits for an earlier session of its backfill's serial chain.

    A request makes ten thousand of them, and a tuple is made in a third of the time of a frozen dataclass.
    """

    id: int
    index: int  # type: ignore[assignment]  # hides a tuple's method of that name
    name: str
    session_id: int
    session_uuid: UUID
    session_time: datetime
    project_id: int
    project_name: str
    workflow_id: int
    workflow_name: str
    revision_id: int
    timezone: str
    params: Mapping[str, Any]
    created_by: str
    created_at: datetime
    cancel_requested_at: datetime | None
    started_at: datetime | None
    running_since: datetime | None
    finished_at: datetime | None
    succeeded: bool
    backfill_number: int | None
    position: int | None
    is_blocked: bool
    message: str | None = None
    result: str | None = None  # JSON text
    credits: Decimal | None = None
    error_class: str | None = None
    error: str | None = None
    http_status: int | None = None

    @property
    def status(self) -> AttemptStatus:
        """How it ended; before that whether it is being killed; before that what it waits for, or that it runs."""
        if self.succeeded:
            return AttemptStatus.SUCCESS
        if self.finished_at is not None:
            return AttemptStatus.KILLED if self.cancel_requested_at is not None else AttemptStatus.ERROR
        if self.cancel_requested_at is not None:
            return AttemptStatus.CANCELING
        if self.is_blocked:
            return AttemptStatus.BLOCKED
        return AttemptStatus.RUNNING if self.running_since is not None else AttemptStatus.QUEUED


def attempt_key(session_uuid: UUID, index: int) -> str:
    """The idempotency key of an attempt outside of backfills: the same for every try and every repeat."""
    return f"at_{session_uuid}_{index}"
