"""Lines of the ledger on their way into it, and out of it."""

from dataclasses import dataclass
from datetime import datetime

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
