"""What one try came to, as an executor saw it.

An executor only says what happened; whether the item is tried again, held or ended is decided by
the engine, which knows how the other items fare (docs/executors.md).
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class VerdictKind(StrEnum):
    """Every way in which a try can end."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"  # the target says there was nothing to do
    FAILED = "failed"  # the item's own fault; trying again would not help
    TRY_AGAIN = "try_again"  # may go better next time; counts against max_attempts
    UNREACHABLE = "unreachable"  # nobody answered for the target; opens the breaker
    THROTTLED = "throttled"  # the target asks us to slow down
    REFUSED = "refused"  # the target refuses *us* (credentials, payment): hold, the item is untouched
    NO_ROOM = "no_room"  # this machine has nothing left to start it with: hold, the item is untouched


@dataclass(frozen=True, slots=True)
class Verdict:
    """`error_class` is a short stable word (`http_404`, `timeout`, `connect_failed`); None for successes and skips.

    `retry_after_seconds` is what the target asked for, already capped at 24 h. `result` is JSON text.
    `is_about_key`: the target answers so, too, while another request under the same key is under way.
    `is_uncounted`: such a try costs the item nothing, however others fare meanwhile (an engine that is away, or has
    enough, never means one of them).
    `log` is what was printed or answered, where somebody wants to keep it; clean and bounded.
    """

    kind: VerdictKind
    message: str | None = None
    result: str | None = None
    credits: Decimal | None = None
    error_class: str | None = None
    error: str | None = None
    http_status: int | None = None
    retry_after_seconds: float | None = None
    is_about_key: bool = False
    is_uncounted: bool = False
    log: str | None = None


SUCCEEDED = Verdict(VerdictKind.SUCCEEDED)
