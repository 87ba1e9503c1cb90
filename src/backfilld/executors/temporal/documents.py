"""Payloads of Temporal: what a run is handed, and what it answers."""

from dataclasses import replace
from datetime import timedelta

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from backfilld.domain.backfills.verdicts import Verdict
from backfilld.domain.texts import MESSAGE_BYTES, RESULT_BYTES, bounded_json
from backfilld.executors.answers.answer_document import (
    WORDS,
    kept_text,
    meaning_of,
    noted_success,
    plain_success,
    said_status,
)
from backfilld.executors.answers.documents import document_in
from backfilld.executors.base import Work
from backfilld.executors.payload import item_body

ATTEMPT = "backfilld_attempt"
BACKFILL = "backfilld_backfill"
_JSON = {"encoding": b"json/plain"}
_JSON_ENCODINGS = frozenset({b"json/plain", b"json/protobuf"})
_NOTHING = b"binary/null"

__all__ = ["ATTEMPT", "WORDS", "WorkflowExecution", "attempt_in", "meaning_of_result", "start_request"]


def start_request(
    work: Work, *, namespace: str, identity: str, workflow_type: str, task_queue: str
) -> StartWorkflowExecutionRequest:
    """The start of one try. Its request id is that of the try: whoever repeats it gets the same run."""
    asked = StartWorkflowExecutionRequest(
        namespace=namespace,
        workflow_id=work.idempotency_key,
        identity=identity,
        request_id=f"{work.idempotency_key}/{work.attempt}",
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
    )
    asked.workflow_type.name = workflow_type
    asked.task_queue.name = task_queue
    asked.workflow_execution_timeout.FromTimedelta(timedelta(seconds=work.timeout_seconds))
    asked.input.payloads.add(metadata=_JSON, data=item_body(work))
    asked.memo.fields[ATTEMPT].CopyFrom(Payload(metadata=_JSON, data=str(work.attempt).encode()))
    if work.backfill_id is not None:
        asked.memo.fields[BACKFILL].CopyFrom(Payload(metadata=_JSON, data=f'"{work.backfill_id}"'.encode()))
    return asked


def attempt_in(memo: Payload) -> int:
    """Which try a run was started for; 0 if it does not say."""
    try:
        return int(memo.data)
    except ValueError:
        return 0


def meaning_of_result(result: Payloads) -> Verdict:
    """What a completed run says: our own document is believed, anything else is a success, and kept if it is short."""
    if not result.payloads:
        return plain_success(None)
    payload = result.payloads[0]
    encoding = payload.metadata.get("encoding", b"")
    if encoding == _NOTHING:
        return plain_success(None)
    if encoding not in _JSON_ENCODINGS:
        shown = kept_text(encoding.decode(errors="replace"), 100) or "no encoding"
        return noted_success(f"the run's result is not JSON ({shown})", None)
    document = document_in(payload.data, "application/json")
    if said_status(document) is not None or document.is_broken:
        return meaning_of(document, None)
    if document.value is None:
        return plain_success(None)
    text = bounded_json(document.value, RESULT_BYTES)
    if text is None:
        message = kept_text(f"[left out: result is longer than {RESULT_BYTES} bytes]", MESSAGE_BYTES)
        return replace(plain_success(None), message=message)
    return replace(plain_success(None), result=text)
