"""What it means when a request gets no proper answer.

Before the request was on its way nothing can have happened at the target: it was *unreachable*, which is waited out.
After that anything may have happened, so the try counts and is repeated under the same key.
"""

import socket
import ssl

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.http.addresses import AddressNotAllowed
from backfilld.executors.http.wire.connection import Stalled
from backfilld.executors.http.wire.pool import NoConnectionInTime
from backfilld.executors.shortage import no_room, shortage_in


class TargetFailure(Exception):
    """A request that ended without an answer; `verdict` says what became of the try."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.error or verdict.error_class or "")
        self.verdict = verdict


def failed(kind: VerdictKind, error_class: str, error: str, http_status: int | None = None) -> TargetFailure:
    """A failure in the words of the ledger."""
    return TargetFailure(
        Verdict(kind, error_class=error_class, error=clean_text(error, MESSAGE_BYTES), http_status=http_status)
    )


def connecting_failed(problem: Exception, origin: str, connect_seconds: float) -> TargetFailure:
    """No connection came about, so nothing was sent."""
    if isinstance(problem, AddressNotAllowed):
        return failed(VerdictKind.REFUSED, "address_not_allowed", f"{origin}: {problem}")
    if (lacking := shortage_in(problem)) is not None:
        return TargetFailure(no_room(f"no connection to {origin} can be opened: {lacking}"))
    if isinstance(problem, socket.gaierror):
        return _unreachable("dns_failed", origin, f"the name cannot be resolved: {_words(problem)}")
    if isinstance(problem, ssl.SSLCertVerificationError):
        return _unreachable("tls_failed", origin, f"the certificate is not trusted: {problem}")
    if isinstance(problem, ssl.SSLError):
        return _unreachable("tls_failed", origin, f"no TLS connection: {_words(problem)}")
    if isinstance(problem, NoConnectionInTime):
        return _unreachable("connect_failed", origin, f"no connection within {connect_seconds:g} s")
    return _unreachable("connect_failed", origin, f"no connection: {_words(problem)}")


def _unreachable(error_class: str, origin: str, text: str) -> TargetFailure:
    return failed(VerdictKind.UNREACHABLE, error_class, f"{origin}: {text}")


def answering_failed(problem: Exception, origin: str, *, reused: bool, heard: bool) -> TargetFailure:
    """The request was sent, or partly, and no whole answer came back.

    `reused`: not the connection's first request. `heard`: something of the answer came.
    """
    broke = isinstance(problem, OSError)
    if broke and heard:
        return failed(VerdictKind.TRY_AGAIN, "reset", f"{origin}: the connection broke in the middle of the answer")
    if broke and reused:
        # Servers close idle connections, most of all when they restart; now and then just when the next request
        # is on its way. So this is no try of the item's, but a target that is about to come back.
        return _unreachable("connection_closed", origin, "a kept connection was closed as the request was sent")
    if broke:
        text = f"the connection broke before an answer came: {_words(problem)}"
        return failed(VerdictKind.TRY_AGAIN, "reset", f"{origin}: {text}")
    if isinstance(problem, Stalled):
        return failed(VerdictKind.TRY_AGAIN, "timeout", f"{origin}: the answer began and then stalled")
    return failed(VerdictKind.TRY_AGAIN, "bad_answer", f"{origin}: the answer is not HTTP: {_words(problem)}")


def _words(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return str(problem.strerror)
    return str(problem) or type(problem).__name__
