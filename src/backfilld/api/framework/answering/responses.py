"""What goes out: envelopes, and errors in the shape of the dialect that was spoken.

`/public-api` wraps everything in `data` and `meta`, or `error` and `meta`; `/api` answers errors as digdag does. This
is the one place where an exception becomes a status.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel

from backfilld.api.framework.answering.rows import header_of, stand_ins, warnings_of, without_oddities
from backfilld.api.framework.routing import Reply
from backfilld.domain.errors import (
    FAULTS_SHOWN,
    BackfilldError,
    Fault,
    Invalid,
    InvalidToken,
    RateLimited,
    Unauthenticated,
    Unavailable,
)  # fmt: skip
from backfilld.store.connection import transient_errors

DIGDAG_PREFIX = "/api/"
WARNING_HEADER = "X-Backfilld-Warning"
log = logging.getLogger(__name__)

_BAD_REQUESTS = (415, 422)  # digdag knows one status for whatever is wrong with a request
CHALLENGE = 'Bearer realm="backfilld"'


class Internal(BackfilldError):
    """Something went wrong that is not the caller's doing. What, stands in the log beside the request id."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What every answer says about itself."""

    request_id: UUID
    total_ms: float


def success(reply: Reply, status: int, meta: Meta) -> web.Response:
    """The answer of `/public-api`."""
    status = reply.status or status
    if status == 204:
        return web.Response(status=204, headers=reply.headers)
    page, data = reply.pagination, reply.data
    if unreadable := list(stand_ins(data)):
        data = data.__dict__ if isinstance(data, BaseModel) else data
    envelope = {
        "data": data,
        "meta": {
            "request_id": meta.request_id,
            "timings_ms": {**reply.timings_ms, "total": round(meta.total_ms, 3)},
            "pagination": {"has_more": page.has_more, "next_cursor": page.next_cursor},
            "warnings": [*reply.warnings, *warnings_of(unreadable)],
            **reply.meta,
        },
    }
    return json_response(envelope, status, reply.headers)


def bare(reply: Reply, status: int) -> web.Response:
    """The answer of everything else: `data` is the document."""
    headers = {**reply.headers, **header_of(list(stand_ins(reply.data)))}
    if reply.warnings:  # there is no room for them in the document
        told = " | ".join(reply.warnings).encode("ascii", "backslashreplace").decode()
        headers[WARNING_HEADER] = "".join(one if one.isprintable() else "?" for one in told)
    return json_response(reply.data, reply.status or status, headers)


def json_response(document: Any, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    try:
        body = encode(document)
    except Exception:
        log.exception("a value of an answer cannot be written as JSON; null is shown in its place")
        body = encode(without_oddities(document, _is_fit))
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def encode(document: Any) -> bytes:
    """JSON text; instants end in `Z`, models are dumped as they say."""
    return orjson.dumps(document, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _is_fit(value: Any) -> bool:
    try:
        encode(value)
    except Exception:
        return False
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, UUID):
        return str(value)  # one of asyncpg's own
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    if isinstance(value, int):
        return float(value)  # beyond 64 bits
    raise TypeError(f"{type(value).__name__} cannot be answered as JSON")


def is_foreseen(problem: Exception) -> bool:
    """Whether there is an answer to it other than `Internal`."""
    return isinstance(problem, BackfilldError | web.HTTPException) or transient_errors.is_transient(problem)


def as_error(problem: Exception, request: web.BaseRequest) -> BackfilldError:
    """The error to answer with when `problem` was raised; `Internal` for what nobody foresaw."""
    if isinstance(problem, BackfilldError):
        return problem
    if isinstance(problem, web.HTTPException):
        return _http_error(problem, request)
    if transient_errors.is_transient(problem):
        return Unavailable(f"{transient_errors.in_words(problem)}; try again in a moment", retry_after_seconds=2)
    return Internal("something went wrong here; the log says more beside this request id")


def _http_error(problem: web.HTTPException, request: web.BaseRequest) -> BackfilldError:
    error = BackfilldError(problem.reason, code=problem.reason.lower().replace(" ", "_"))
    error.status = problem.status
    return error


def failure(error: BackfilldError, request: web.BaseRequest, request_id: UUID) -> web.Response:
    """The answer to an error, in the dialect of the request's path."""
    status = error.status
    if f"{request.path}/".startswith(DIGDAG_PREFIX):
        status = 400 if status in _BAD_REQUESTS else status
        document: Any = {"message": _all_at_once(error), "status": status}
    else:
        shown: dict[str, Any] = {"code": error.code, "message": error.message, "details": _details(error)}
        document = {"error": shown | dict(error.extra), "meta": {"request_id": request_id}}
    return json_response(document, status, _headers(error))


def _all_at_once(error: BackfilldError) -> str:
    """One message that names every fault: the dialect has no other place for them."""
    if not isinstance(error, Invalid) or (len(error.faults) == 1 and error.faults[0].message == error.message):
        return error.message
    told = [fault.told().removeprefix("/") for fault in error.faults[:FAULTS_SHOWN]]
    return "; ".join(told)


def _details(error: BackfilldError) -> list[dict[str, Any]]:
    return [_detail(fault) for fault in error.faults[:FAULTS_SHOWN]] if isinstance(error, Invalid) else []


def _detail(fault: Fault) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": fault.path, "code": fault.code, "message": fault.message}
    return shown | {"allowed": fault.allowed} if fault.allowed else shown


def _headers(error: BackfilldError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = CHALLENGE + (', error="invalid_token"' if isinstance(error, InvalidToken) else "")
    if isinstance(error, RateLimited | Unavailable):
        headers["Retry-After"] = str(max(1, -int(-error.retry_after_seconds // 1)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    return headers


class MethodNotAllowed(BackfilldError):
    """The path exists, but does not know this method."""

    status, code = 405, "method_not_allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method[:20]} is not known here; this path has {', '.join(allowed)}")
        self.allowed = tuple(allowed)
