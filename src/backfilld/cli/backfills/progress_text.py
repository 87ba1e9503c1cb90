"""What is said of a backfill that is being followed: where it is, how fast, what failed, how it ended."""

from typing import Any

from backfilld.cli.output.backfill_text import counts, is_empty, is_held, reason, share, status
from backfilld.cli.output.printing import duration, instant, number
from backfilld.cli.output.program import program
from backfilld.clock import Clock

ERRORS_SHOWN = 6


def progress_line(backfill: dict[str, Any], clock: Clock) -> str:
    """Everything about it in one line."""
    if is_empty(backfill):
        return status(backfill)
    parts = [f"{backfill['status']} {share(backfill)}", counts(backfill)]
    if pace_text := pace(backfill, clock):
        parts.append(pace_text)
    if why := reason(backfill):
        parts.append(why)
    return "; ".join(parts)


def pace(backfill: dict[str, Any], clock: Clock) -> str:
    """`1,830/min, 2 min 5 s left`, as far as that is known."""
    if backfill.get("completed_at"):
        return ""
    parts = []
    if rate := backfill.get("throughput_per_minute"):
        parts.append(f"{rate:,.0f}/min")
    finished_at = instant(backfill.get("estimated_completion_at"))
    if finished_at and (left := (finished_at - clock.now()).total_seconds()) > 0:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def failure(error: dict[str, Any]) -> str:
    """One class of failures, with an example."""
    example = f", as {error['entity_ids'][0]}" if error.get("entity_ids") else ""
    return f"{number(error['count'])} × {error['error_class']}: {error['message']}{example}"


def ending(backfill: dict[str, Any]) -> str:
    """How it ended, how long that took since it was created, and what to do next."""
    id = backfill["id"]
    created, completed = instant(backfill.get("created_at")), instant(backfill.get("completed_at"))
    took = f" in {duration((completed - created).total_seconds())}" if created and completed else ""
    if is_empty(backfill):
        return status(backfill)
    if is_held(backfill):
        return f"{status(backfill)}: {backfill['status_reason']['message']}\non: {program()} backfills resume {id}"
    text = f"{backfill['status'].replace('_', ' ')}{took}: {counts(backfill)}"
    if backfill["status"] == "completed_with_failures":
        text += f"\nsee: {program()} backfills errors {id}\nagain: {program()} backfills rerun-failed {id}"
    if backfill.get("error"):
        text += f"\nerror: {backfill['error']}"
    return text
