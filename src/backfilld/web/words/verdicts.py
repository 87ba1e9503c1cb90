"""What became of a backfill that has ended."""

from backfilld.domain.backfills.states import Status
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.words.numbers import thousands
from backfilld.web.words.sentences import Said, strong, text


def verdict(view: BackfillView) -> Said:
    """In a sentence, bad news first."""
    counts, status = view.counts, view.backfill.status
    if status is Status.FAILED:
        error = view.backfill.error
        why = error.get("message") if isinstance(error, dict) else None
        return (strong("It could not go on"), text(f": {why}" if why else "."))
    if status is Status.CANCELLED:
        done = f"{thousands(counts.processed)} of {thousands(counts.total)} had ended before."
        return (strong("Cancelled."), text(f" {done}")) if counts.total else (strong("Cancelled before it began."),)
    if not counts.total:
        return (strong("Nothing matched"), text(", so nothing was to do."))
    if not counts.failed:
        left_out = f", {thousands(counts.skipped)} skipped" if counts.skipped else ""
        return (
            strong(f"All {thousands(counts.succeeded)} succeeded" if counts.succeeded else "None ran"),
            text(f"{left_out}."),
        )
    if counts.failed == counts.processed:
        return (strong(f"All {thousands(counts.failed)} failed."),)
    return (
        strong(f"{thousands(counts.failed)} of {thousands(counts.processed)} failed"),
        text("; everything else is done."),
    )
