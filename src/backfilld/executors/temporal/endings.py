"""What the end of a run means for its item."""

import re
from collections.abc import Collection, Iterator

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES
from backfilld.executors.answers.answer_document import kept_text
from backfilld.executors.temporal.documents import meaning_of_result

NO_WORKERS = "no_workers"
GONE = "workflow_gone"
TIMEOUT = "workflow_timeout"
_FAILED = "workflow_failed"
_UNFIT = re.compile(r"[^A-Za-z0-9_.:-]+")
_MOST_CAUSES = 50
_MOST_CLASS = 100
_UNTOUCHED_EVENTS = 3  # started, a task scheduled, timed out: no worker ever took it


def ending(event: HistoryEvent, final_types: Collection[str] = (), *, has_workers: bool = True) -> Verdict:
    """The verdict of the event that closed a run. `has_workers`: of its queue, as far as is known."""
    kind = event.event_type
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        return meaning_of_result(event.workflow_execution_completed_event_attributes.result)
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        return _failed(event.workflow_execution_failed_event_attributes.failure, final_types)
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
        return _timed_out(event, has_workers)
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
        return _verdict(VerdictKind.FAILED, "workflow_cancelled", "the run was cancelled there")
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
        reason = event.workflow_execution_terminated_event_attributes.reason
        text = f"the run was terminated there: {reason}" if reason else "the run was terminated there"
        return _verdict(VerdictKind.FAILED, "workflow_terminated", text)
    return _verdict(VerdictKind.TRY_AGAIN, _FAILED, f"the run ended in a way that is not known here ({kind})")


def gone() -> Verdict:
    """The run is not there any more: its retention is over, or somebody deleted it."""
    return _verdict(VerdictKind.TRY_AGAIN, GONE, "the run is gone: deleted, or its namespace's retention is over")


def out_of_time(seconds: float) -> Verdict:
    """It goes on there, and we wait no longer; the next try finds it."""
    return _verdict(VerdictKind.TRY_AGAIN, TIMEOUT, f"not done within {seconds:g} s; the run may go on there")


def _timed_out(event: HistoryEvent, has_workers: bool) -> Verdict:
    if event.event_id > _UNTOUCHED_EVENTS:
        text = "the run did not end in time; a workflow type that no worker knows looks like this, too"
        return _verdict(VerdictKind.TRY_AGAIN, TIMEOUT, text)
    what = "workers of its queue are too busy" if has_workers else "its queue has no worker"
    error = f"no worker took the run in time: {what}"
    return Verdict(
        VerdictKind.THROTTLED, error_class=NO_WORKERS, error=error, retry_after_seconds=1.0, is_uncounted=True
    )


def _failed(failure: Failure, final_types: Collection[str]) -> Verdict:
    found = next((one for one in _causes(failure) if one.HasField("application_failure_info")), None)
    if found is None:
        last = list(_causes(failure))[-1]
        return _verdict(VerdictKind.TRY_AGAIN, _FAILED, last.message or failure.message or "the run failed")
    info = found.application_failure_info
    name = info.type
    is_final = info.non_retryable or name in final_types
    error_class = _UNFIT.sub("_", name)[:_MOST_CLASS].strip("_") or _FAILED
    kind = VerdictKind.FAILED if is_final else VerdictKind.TRY_AGAIN
    return _verdict(kind, error_class, found.message or name or "the run failed")


def _causes(failure: Failure) -> Iterator[Failure]:
    """A failure and what caused it, the outermost first."""
    for _ in range(_MOST_CAUSES):
        yield failure
        if not failure.HasField("cause"):
            return
        failure = failure.cause


def _verdict(kind: VerdictKind, error_class: str, text: str) -> Verdict:
    return Verdict(kind, error_class=error_class, error=kept_text(text, MESSAGE_BYTES))
