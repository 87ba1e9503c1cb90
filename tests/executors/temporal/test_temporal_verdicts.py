"""Every way in which the server answers a start, and every way in which a run ends, means one thing for the item."""

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCStatusCode
from tests.executors.temporal.conftest import completed, error, failed

from backfilld.executors.temporal.endings import ending
from backfilld.executors.temporal.failures import connecting_verdict, never_sent, not_connected, start_verdict

STATUSES = {
    RPCStatusCode.OK: ("refused", "engine_ok", False),  # an error that says so is none that we know
    RPCStatusCode.CANCELLED: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.UNKNOWN: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.INVALID_ARGUMENT: ("refused", "engine_invalid_argument", False),
    RPCStatusCode.DEADLINE_EXCEEDED: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.NOT_FOUND: ("refused", "engine_not_found", False),
    RPCStatusCode.ALREADY_EXISTS: ("refused", "engine_already_exists", False),  # never comes here: a run is found
    RPCStatusCode.PERMISSION_DENIED: ("refused", "engine_permission_denied", False),
    RPCStatusCode.RESOURCE_EXHAUSTED: ("throttled", "engine_throttled", True),
    RPCStatusCode.FAILED_PRECONDITION: ("refused", "engine_failed_precondition", False),
    RPCStatusCode.ABORTED: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.OUT_OF_RANGE: ("refused", "engine_out_of_range", False),
    RPCStatusCode.UNIMPLEMENTED: ("refused", "engine_unimplemented", False),
    RPCStatusCode.INTERNAL: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.UNAVAILABLE: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.DATA_LOSS: ("unreachable", "engine_unreachable", True),
    RPCStatusCode.UNAUTHENTICATED: ("refused", "engine_unauthenticated", False),
}


@pytest.mark.parametrize("status", RPCStatusCode, ids=lambda status: status.name)
def test_every_status_of_a_start_means_something(status):
    verdict = start_verdict(error(status, "it says so"))

    assert STATUSES[status] == (verdict.kind, verdict.error_class, verdict.is_uncounted)
    assert f"{status.name}: it says so" == verdict.error


TEXTS = [  # as the server says them
    ("INVALID_ARGUMENT", "Blob data size exceeds limit.", "failed", "payload_too_large"),
    ("INVALID_ARGUMENT", "WorkflowId exceeds maximum allowed length (1200/1000)", "failed", "invalid_id"),
    ("RESOURCE_EXHAUSTED", "grpc: received message after decompression larger than max 4194304", "failed", "payload_too_large"),  # noqa: E501
    ("RESOURCE_EXHAUSTED", "namespace rate limit exceeded", "throttled", "engine_throttled"),
    ("INVALID_ARGUMENT", "Namespace default has no mapping defined for search attribute Nope", "refused", "engine_invalid_argument"),  # noqa: E501
    ("INVALID_ARGUMENT", "missing task queue name", "refused", "engine_invalid_argument"),
    ("NOT_FOUND", "Namespace nope is not found.", "refused", "engine_not_found"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "text", "kind", "error_class"), TEXTS)
def test_the_text_decides_where_the_status_does_not(status, text, kind, error_class):
    verdict = start_verdict(error(RPCStatusCode[status], text))

    assert (kind, error_class) == (verdict.kind, verdict.error_class)


CONNECTING = [  # as the library says them
    ('Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError(ConnectError("tcp'
     ' connect error", 127.0.0.1:1, Os { code: 111, kind: ConnectionRefused, message: "Connection refused" })))',
     "unreachable", "host:1: Connection refused"),
    ('Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError(ConnectError("dns'
     ' error", Custom { kind: Uncategorized, error: "failed to lookup address information: Name or service not known"'
     " })))", "unreachable", "host:1: failed to lookup address information: Name or service not known"),
    ("Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError(Custom { kind:"
     " InvalidData, error: InvalidCertificate(UnknownIssuer) }))", "refused",
     "host:1: TLS: InvalidCertificate(UnknownIssuer)"),
    ("Failed client connect: `get_system_info` call error after connection: Status { code: Unauthenticated,"
     ' message: "invalid key" }', "refused", "host:1: invalid key"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "kind", "told"), CONNECTING)
def test_a_connection_that_does_not_come_about_says_why(said, kind, told):
    verdict = connecting_verdict(not_connected(RuntimeError(said), "host:1"))

    assert kind == verdict.kind
    assert told in (verdict.error or "")


def test_only_what_cannot_have_left_counts_as_never_sent():
    refused = error(RPCStatusCode.UNAVAILABLE, 'tcp connect error: "Connection refused"')

    assert never_sent(refused)
    assert not never_sent(error(RPCStatusCode.UNAVAILABLE, "transport error"))
    assert not never_sent(error(RPCStatusCode.DEADLINE_EXCEEDED, "Connection refused"))


def event(kind, event_id=5):
    return HistoryEvent(event_id=event_id, event_type=EventType.Value(f"EVENT_TYPE_WORKFLOW_EXECUTION_{kind}"))


ENDINGS = [
    (completed(), "succeeded", None),
    (failed(), "try_again", "Trouble"),
    (failed(final=True), "failed", "Trouble"),
    (failed("Fatal"), "failed", "Fatal"),
    (failed("No such ticket!", final=True), "failed", "No_such_ticket"),
    (failed("", final=True), "failed", "workflow_failed"),
    (failed("x" * 500), "try_again", "x" * 100),
    (failed(nested=3, final=True), "failed", "Trouble"),
    (event("TIMED_OUT"), "try_again", "workflow_timeout"),
    (event("TIMED_OUT", event_id=3), "throttled", "no_workers"),
    (event("CANCELED"), "failed", "workflow_cancelled"),
    (event("TERMINATED"), "failed", "workflow_terminated"),
    (event("STARTED"), "try_again", "workflow_failed"),
]


@pytest.mark.parametrize(("closing", "kind", "error_class"), ENDINGS)
def test_the_way_a_run_ends_decides(closing, kind, error_class):
    verdict = ending(closing, ["Fatal"])

    assert (kind, error_class) == (verdict.kind, verdict.error_class)


def test_a_run_that_no_worker_took_costs_the_item_nothing():
    verdict = ending(event("TIMED_OUT", event_id=3), has_workers=False)

    assert verdict.is_uncounted
    assert "no worker took the run in time: its queue has no worker" == verdict.error


def test_a_failure_without_an_application_error_says_what_lies_deepest():
    closing = event("FAILED")
    failure = closing.workflow_execution_failed_event_attributes.failure
    failure.message = "Activity task timed out"
    failure.cause.CopyFrom(Failure(message="it took too long\x00"))
    verdict = ending(closing)

    assert ("try_again", "workflow_failed", "it took too long") == (verdict.kind, verdict.error_class, verdict.error)


RESULTS = [
    (b'{"status": "skipped", "message": "none", "credits": 2}', ("skipped", "none", None)),
    (b'{"status": "failed", "message": "no such"}', ("failed", "no such", None)),
    (b'{"status": "fine"}', ("succeeded", None, '{"status":"fine"}')),
    (b'{"rows": 3}', ("succeeded", None, '{"rows":3}')),
    (b'"text"', ("succeeded", None, '"text"')),
    (b"null", ("succeeded", None, None)),
    (b'"' + b"x" * 5000 + b'"', ("succeeded", "[left out: result is longer than 4096 bytes]", None)),
    (b"{broken", ("try_again", None, None)),
]


@pytest.mark.parametrize(("data", "expected"), RESULTS)
def test_what_a_run_answers_is_read_like_any_answer(data, expected):
    verdict = ending(completed(data))

    assert expected == (verdict.kind, verdict.message, verdict.result)


def test_a_result_that_is_no_json_is_a_success_with_a_note():
    verdict = ending(completed(b"\x00\x01", b"binary/encrypted"))

    assert "succeeded" == verdict.kind
    assert "the run's result is not JSON (binary/encrypted); counted as a success" == verdict.message
