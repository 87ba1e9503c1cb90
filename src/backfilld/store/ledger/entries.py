"""Lines of the ledger: on their way into it, out of it, and as people read them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from backfilld.domain.backfills.records import Outcome, Try
from backfilld.domain.records import plain_record


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a batch says of one backfill as a whole. `mark`: every smaller position has an outcome or a retry row.

    `hand_out_limit`: so many items in all may be handed out until the next commit. `failure_counts`: JSON; None keeps
    what is there.
    """

    backfill_number: int
    fence: int
    mark: int
    throughput: float
    hand_out_limit: int = 0
    failure_counts: str | None = None


@plain_record
class EndedItem:
    backfill_number: int
    position: int
    outcome: Outcome
    had_retry: bool
    is_session: bool = False  # the item is an attempt, which ends with it


@plain_record
class TriedItem:
    backfill_number: int
    position: int
    tried: Try
    is_session: bool = False


@plain_record
class PlanRow:
    """A planned item as stored; `attributes` is JSON text, and only there if the source cannot be read again.

    The statements that read it name the columns in this order.
    """

    position: int
    entity_id: str
    attributes: str | None
    tries: int = 0
    counted: int = 0
    interruptions: int = 0
    first_started_at: datetime | None = None
    last_failed_at: datetime | None = None
    in_doubt: bool = False
    unknown_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TryEntry:
    """One execution of an item; `error_class` is None for one that went well."""

    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    error_class: str | None
    error: str | None
    http_status: int | None


@dataclass(frozen=True, slots=True)
class OtherEntry:
    """The same entity in another backfill of the same workflow. What is under way there counts as pending."""

    backfill_id: UUID
    name: str | None
    created_at: datetime
    status: str
    finished_at: datetime | None
    error_class: str | None


@dataclass(frozen=True, slots=True)
class RetryClass:
    """Of items that wait for another try and failed last so: the fewest and the most tries that count."""

    error_class: str
    fewest: int
    most: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One planned entity and what is known of it. `attempts` counts tries made; `result` is a JSON value."""

    position: int
    entity_id: str
    status: str  # pending, in_flight, retrying, or that of its outcome
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    message: str | None
    result: Any
    credits: Decimal | None
    skip_reason: str | None
    error_class: str | None
    error: str | None
    http_status: int | None
    next_attempt_at: datetime | None
    tries: tuple[TryEntry, ...] = ()
    elsewhere: tuple[OtherEntry, ...] = ()
    unusually_long: bool | None = None  # of one in flight, as far as that can be told

    @property
    def duration_ms(self) -> int | None:
        """From the start of the execution that ended it to its end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds() * 1000)
