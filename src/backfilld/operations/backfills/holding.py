"""What keeps a backfill from starting, as it is told: by its owner where there is one, else by what is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from backfilld.domain.backfills.explaining import in_order
from backfilld.domain.backfills.holding import Reason, because, closed
from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.progress import Counts
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, STARTABLE, ReasonCode, Status
from backfilld.domain.calendars import shown_zone
from backfilld.domain.windows.openings import Calendar
from backfilld.engine.control import Live

OWNED = frozenset({Status.PLANNING, Status.RUNNING, Status.CANCELLING})  # somebody has a lease, or is about to
NOBODY_RUNS_IT = (  # the brakes of this daemon are known
    "Whether its target or a limit holds it is not known here: no daemon runs it at this moment; one takes it up within"
    " seconds."
)
NOTHING_SAID = (
    "Whether its target, a brake or a limit holds it is not known here: the daemon that runs it has taken it up a"
    " moment ago and has said nothing yet."
)
CHOSEN = frozenset({Status.PAUSED, Status.CANCELLING})  # what somebody decided comes before whatever else holds
MAY_START = frozenset({Status.PAUSED, *STARTABLE})  # now, or once somebody resumes it


def reasons_of(
    backfill: Backfill,
    owner: Live | OwnersWord | None,
    stop: Reason | None,
    calendar: Calendar | None,
    now: datetime,
    braking: Sequence[Reason] = (),
) -> list[Reason]:
    """All that keeps something from starting, in the gate's order.

    The owner knows best, also one elsewhere. Where there is none, it is what was written down, with what anybody can
    tell, and `braking`: the brakes that would hold it. These come behind the first of the others, by which it has its
    status.
    """
    status, written = backfill.status, backfill.reason
    if status in ENDED:
        return []
    found: list[Reason] = []
    if owner is not None and owner.hold is not None:
        found += [owner.hold, *owner.reasons]
    if written is not None and (not found or status in CHOSEN):
        found.insert(0, written)
    if stop is not None:
        found.append(stop)  # also where nobody has written it down: whoever waits for a window holds no lease
    if not backfill.workflow_enabled and status is not Status.CANCELLING:
        found.append(because(ReasonCode.WORKFLOW_DISABLED, since=now, workflow=backfill.workflow_name))
    if status in MAY_START and calendar is not None and backfill.planned_at is not None:
        shut = closed(calendar, now, begun_at=backfill.planned_at)
        found += [] if shut is None else [shut]
    ordered = in_order(found)
    first = [written] if written is not None and status in CHOSEN else ordered[:1]
    return [*first, *(one for one in in_order([*ordered, *braking]) if one not in first)]


def unheard_of(backfill: Backfill, words: Mapping[int, OwnersWord | None]) -> str | None:
    """Why the word of its owner is not known here, of one that somebody runs; None while it winds up by itself."""
    if backfill.status is Status.CANCELLING:
        return None
    return NOTHING_SAID if backfill.number in words else NOBODY_RUNS_IT


def known_of(owner: Live | OwnersWord | None) -> Mapping[str, Any]:
    """What sentences may name of the places, and of who shares them."""
    return {} if owner is None or owner.sharing is None else owner.sharing.known()


def counted(found: Counts) -> Mapping[str, Any]:
    """What sentences may name of the counters."""
    return {"retrying": found.retrying, "in_flight": found.in_flight, "runs": found.in_flight or None}


def first_of(backfill: Backfill, reasons: Sequence[Reason], known: Mapping[str, Any], now: datetime) -> Reason | None:
    """What `status_reason` says, with its sentence as of now."""
    first = backfill.reason if backfill.status in CHOSEN else next(iter(reasons), None)
    if first is None:
        return None
    return replace(first, message=first.told(shown_zone(backfill), now, known))
