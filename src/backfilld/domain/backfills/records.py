"""A backfill and what becomes of its items: the frozen records that everything else passes around."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.states import Status
from backfilld.domain.entities.ids import NamedIds
from backfilld.domain.records import plain_record

ENTITIES, SCHEDULE = "entities", "schedule"
SESSION = "session"  # stands in the place of an entity type in the key of a session


@dataclass(frozen=True, slots=True)
class Progress:
    """The counters as last committed. `in_flight` is the owner's own count, zero if there is no owner."""

    planned: int = 0
    skipped_in_plan: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    retrying: int = 0
    in_flight: int = 0
    in_flight_retries: int = 0
    credits_used: Decimal = Decimal(0)
    low_water_mark: int = 0
    throughput: float = 0.0
    started_at: datetime | None = None
    last_recorded_at: datetime | None = None

    @property
    def processed(self) -> int:
        return self.succeeded + self.failed + self.skipped

    @property
    def waiting_for_retry(self) -> int:
        """Items with a retry ahead of them that are not in flight right now."""
        return max(0, self.retrying - self.in_flight_retries)

    @property
    def pending(self) -> int:
        return max(0, self.planned - self.processed - self.cancelled - self.in_flight - self.waiting_for_retry)


@dataclass(frozen=True, slots=True)
class Child:
    """A rerun of a backfill."""

    id: UUID
    status: Status


@dataclass(frozen=True, slots=True)
class Backfill:
    """One pass of a workflow over a frozen plan: its settings and status, without its counters."""

    number: int
    id: UUID
    kind: str
    parent_number: int | None
    parent_id: UUID | None
    workflow_id: int
    workflow_name: str
    revision_id: int
    workflow_version: int
    definition: Mapping[str, Any]
    workflow_enabled: bool
    settings: BackfillSettings
    filter_resolved: Any
    named_ids: NamedIds | None  # None: whatever matches; else only these, which are read page by page
    sample_open: bool
    credits_per_entity: Decimal | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    error: Any
    version: int
    status: Status
    reason: Reason | None
    planned_at: datetime | None
    source_cursor: str | None
    wake_at: datetime | None
    cancel_in_flight: bool
    schedule_id: int | None = None
    session_from: datetime | None = None
    session_to: datetime | None = None
    failures_accepted: int = 0
    workflow_off: str | None = None  # how it was disabled: the end of a sentence; None: by somebody
    approved_by: str | None = None
    approved_at: datetime | None = None
    ledger_digest: str | None = None  # SHA-256 in hex, of an ended one; made a little after its end
    project_name: str = "default"
    children: tuple[Child, ...] = ()  # the newest of its reruns, oldest first
    override_until: datetime | None = None  # its windows count as open until then
    asked_again_at: datetime | None = None  # somebody wanted target and source to be asked at once
    created_by_name: str | None = None  # of a key; None for anybody else
    plan_remarks: Sequence[str] = ()  # what the source had to say while its entities were listed

    @property
    def hours(self) -> tuple[Any, ...]:
        """What says when items may start."""
        return *self.settings.hours, self.override_until

    @property
    def is_schedule(self) -> bool:
        """It runs the sessions of a schedule, and not entities."""
        return self.kind == SCHEDULE

    @property
    def is_chain(self) -> bool:
        """Each session waits for the one before it."""
        return self.is_schedule and self.settings.max_in_flight == 1


@dataclass(frozen=True, slots=True)
class InFlight:
    """An item that is being worked on: where it stands in the plan, which try this is, since when."""

    position: int
    attempt: int
    started_at: datetime


@plain_record
class Item:
    """One planned entity on its way: where it stands in the plan, what is known of it, which try this is.

    `read_at` is the boot time, in seconds, at which the attributes were read; `skip_reason`: why it is to end
    without a start, as when its source has it no more. `in_doubt`: its target may have received it, and nobody knows
    what came of that. `unknown_since`: since when the target answers that another request under its key may be under
    way.
    """

    backfill_number: int
    position: int
    entity_id: str
    attributes: Mapping[str, Any]
    as_of: datetime | None
    read_at: float
    skip_reason: str | None = None
    tries: int = 0
    counted: int = 0
    interruptions: int = 0
    first_started_at: datetime | None = None
    last_failed_at: datetime | None = None
    is_retry: bool = False
    in_doubt: bool = False
    unknown_since: datetime | None = None

    @property
    def attempt(self) -> int:
        """The number of the try that comes next, from 1."""
        return self.tries + 1

    @property
    def place(self) -> tuple[int, int]:
        """What tells it from every other item: its backfill, and where it stands in the plan."""
        return self.backfill_number, self.position


@plain_record
class Outcome:
    """What finally became of an item. Texts are clean and bounded: `domain.texts` has seen them."""

    status: str  # succeeded, failed, skipped, cancelled
    started_at: datetime | None
    finished_at: datetime
    attempts: int
    message: str | None = None
    result: str | None = None  # JSON text
    credits: Decimal | None = None
    error_class: str | None = None
    error: str | None = None
    http_status: int | None = None
    skip_reason: str | None = None
    log: str | None = None  # what a session's executor printed, or its target answered


@plain_record
class Try:
    """One execution of an item that was not final, and when the next one is due."""

    attempt: int
    counted: int  # of the tries so far, those that count against max_attempts
    started_at: datetime
    finished_at: datetime
    next_attempt_at: datetime
    error_class: str
    error: str | None = None
    http_status: int | None = None
    log: str | None = None
    in_doubt: bool = False
    unknown_since: datetime | None = None


def idempotency_key(backfill_id: UUID | str, entity_type: str, entity_id: str) -> str:
    """The key under which a target sees an item: the same for every try and repeat, another for a rerun."""
    digest = hashlib.sha256(f"{entity_type}\0{entity_id}".encode()).hexdigest()[:32]
    return f"bf_{backfill_id}_{digest}"
