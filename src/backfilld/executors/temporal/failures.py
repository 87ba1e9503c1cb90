"""What it means when a start is not answered as it should be.

The statuses of gRPC are few and the server's use of them is loose: a message that is too large is told as "exhausted"
or as an invalid argument. So for some the text decides.
"""

import re

from temporalio.service import RPCError, RPCStatusCode

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text

PAYLOAD_TOO_LARGE = "payload_too_large"
INVALID_ID = "invalid_id"
THROTTLED_SECONDS = 1.0
MOST_PAYLOAD_BYTES = 1_500_000

_C = RPCStatusCode
UNKNOWN_ENDS = frozenset(
    {_C.CANCELLED, _C.UNKNOWN, _C.DEADLINE_EXCEEDED, _C.ABORTED, _C.INTERNAL, _C.UNAVAILABLE, _C.DATA_LOSS}
)
"""The run may have been started all the same."""
_REFUSED = frozenset({_C.UNAUTHENTICATED, _C.PERMISSION_DENIED, _C.NOT_FOUND, _C.FAILED_PRECONDITION, _C.UNIMPLEMENTED})
_SIZES = ("larger than max", "exceeds limit", "too large", "size exceeds", "exceeds size")
_IDS = ("workflowid exceeds", "workflow id exceeds", "workflowid is not", "workflowid not set", "invalid workflowid")
_NEVER_SENT = ("connecterror", "tcp connect error", "dns error", "connection refused")
_TLS_ERROR = re.compile(r"kind: InvalidData, error: (.+?) }\)")
_TLS = ("certificate", "invalidcertificate", "unknownissuer", "notvalidforname", "invalidmessage", "alertreceived")


class NotConnected(Exception):
    """There is no connection. `is_refused`: it answered, and will not have us, or not by the certificates we know."""

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


def not_connected(problem: Exception, address: str, *, shows_nothing: bool = False) -> NotConnected:
    """Why no connection came about, in words; libraries tell it in their own. `shows_nothing`: over TLS, and without a
    certificate of ours; a server that wants one then hangs up, and does not say why."""
    text = str(problem).removeprefix("Failed client connect: ")
    lower = text.lower()
    refused = any(word in lower for word in (*_TLS, "unauthenticated", "permissiondenied", "permission_denied"))
    hint = "; perhaps it wants a certificate (tls.certificate and tls.key)" if shows_nothing and not refused else ""
    return NotConnected(f"{address}: {_shorter(text)}{hint}", is_refused=refused)


def _shorter(text: str) -> str:
    """The reason at the heart of a connection error."""
    if 'message: "' in text:
        return text.rpartition('message: "')[2].split('"', 1)[0]
    if 'error: "' in text:
        return text.rpartition('error: "')[2].split('"', 1)[0]
    if (found := _TLS_ERROR.search(text)) is not None:
        return f"TLS: {found[1]}"
    return text


def never_sent(problem: RPCError) -> bool:
    """Whether the call can have come to nobody."""
    lower = problem.message.lower()
    return problem.status is _C.UNAVAILABLE and any(word in lower for word in _NEVER_SENT)


def is_about_namespace(problem: RPCError) -> bool:
    """Whether what was not found is the namespace, and no run."""
    return problem.status is _C.NOT_FOUND and (
        any("NamespaceNotFound" in detail.type_url for detail in problem.grpc_status.details)
        or "namespace" in problem.message.lower()
    )


def connecting_verdict(problem: NotConnected) -> Verdict:
    """The start was never sent."""
    if problem.is_refused:
        return _verdict(VerdictKind.REFUSED, "engine_refused", str(problem))
    return unreachable(str(problem))


def unreachable(text: str) -> Verdict:
    """Nobody answered for the engine, which is no item's fault."""
    return _verdict(VerdictKind.UNREACHABLE, "engine_unreachable", text)


def start_verdict(problem: RPCError) -> Verdict:
    """What an answer to a start means that is none of a run."""
    status, lower = problem.status, problem.message.lower()
    text = f"{status.name}: {problem.message}"
    is_size = any(word in lower for word in _SIZES)
    if status is _C.RESOURCE_EXHAUSTED and not is_size:
        return Verdict(
            VerdictKind.THROTTLED,
            error_class="engine_throttled",
            error=clean_text(text, MESSAGE_BYTES),
            retry_after_seconds=THROTTLED_SECONDS,
            is_uncounted=True,
        )
    if status in UNKNOWN_ENDS:
        return unreachable(text)
    if status in _REFUSED:
        return _verdict(VerdictKind.REFUSED, f"engine_{status.name.lower()}", text)
    if any(word in lower for word in _IDS):
        return _verdict(VerdictKind.FAILED, INVALID_ID, text)
    if is_size:
        return _verdict(VerdictKind.FAILED, PAYLOAD_TOO_LARGE, text)
    # a search attribute, a queue, a type: it would hit every item
    return _verdict(VerdictKind.REFUSED, f"engine_{status.name.lower()}", text)


def too_large(size: int) -> Verdict:
    """It would not be taken there."""
    text = f"the start of the run has {size:,} bytes; at most {MOST_PAYLOAD_BYTES:,} are sent"
    return _verdict(VerdictKind.FAILED, PAYLOAD_TOO_LARGE, text)


def _verdict(kind: VerdictKind, error_class: str, text: str) -> Verdict:
    return Verdict(
        kind,
        error_class=error_class,
        error=clean_text(text, MESSAGE_BYTES),
        is_uncounted=kind is VerdictKind.UNREACHABLE,
    )
