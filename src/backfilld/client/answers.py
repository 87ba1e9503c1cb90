"""What comes back from the API: an answer, or one of two errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. `answer["backfill"]` is short for `answer.data["backfill"]`."""

    data: dict[str, Any]
    warnings: tuple[str, ...] = ()
    request_id: str | None = None
    next_cursor: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    meta: Json = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    @property
    def replayed(self) -> bool:
        """Whether this is the stored answer to an earlier request with the same idempotency key."""
        return self.headers.get("Idempotent-Replayed") == "true"


@dataclass(frozen=True, slots=True)
class Detail:
    """One fault that the API found, with its JSON Pointer."""

    path: str
    code: str
    message: str
    allowed: tuple[str, ...] = ()


class ApiError(Exception):
    """The daemon said no. `code` is its machine-readable word; `details` names every fault it found."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: tuple[Detail, ...] = (),
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


class ServerUnreachable(Exception):
    """Nobody answers at the address, or whoever does hung up."""


class ServerReached(ServerUnreachable):
    """Somebody is there, and the message says why we do not understand each other."""


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """The success that `body` holds. ApiError for a refusal, and for anything that is not our envelope."""
    if status == 204:
        return Answer({}, (), headers.get("X-Request-Id"), None, status, headers)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise _not_ours(status, headers, body)
    if status >= 400:
        raise _refusal(status, headers, document, body)
    meta = document.get("meta") or {}
    data = document.get("data")
    if not isinstance(data, dict):  # health and version answers have no envelope
        data = document
    pagination = meta.get("pagination") or {}
    return Answer(
        data,
        tuple(meta.get("warnings") or _told_beside(headers)),
        meta.get("request_id") or headers.get("X-Request-Id"),
        pagination.get("next_cursor") if pagination.get("has_more") else None,
        status,
        headers,
        meta,
    )


def _told_beside(headers: Mapping[str, str]) -> list[str]:
    """Warnings of the digdag dialect, whose answers have no room for them."""
    told = headers.get("X-Backfilld-Warning", "")
    return told.split(" | ") if told else []


def _refusal(status: int, headers: Mapping[str, str], document: dict[str, Any], body: bytes) -> ApiError:
    error = document.get("error")
    if error is None and document.get("status") == status and isinstance(document.get("message"), str):
        return ApiError(  # of the digdag dialect, which has no more words for it
            status, f"http_{status}", document["message"], (), headers.get("X-Request-Id"), retry_after(headers)
        )
    if status == 409 and "sessionId" in document:  # a start meets an attempt, which is the answer
        message = f"attempt {document.get('id')} of this session has that name; give another one to run it again"
        return ApiError(status, "attempt_exists", message, (), headers.get("X-Request-Id"))
    if not isinstance(error, dict):
        return _not_ours(status, headers, body)
    details = tuple(
        Detail(
            str(detail.get("path", "")),
            str(detail.get("code", "")),
            str(detail.get("message", "")),
            tuple(str(name) for name in detail.get("allowed") or ()),
        )
        for detail in error.get("details") or ()
        if isinstance(detail, dict)
    )
    request_id = (document.get("meta") or {}).get("request_id") or headers.get("X-Request-Id")
    message = str(error.get("message", ""))
    return ApiError(status, str(error.get("code", "")), message, details, request_id, retry_after(headers))


def _not_ours(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    start = body[:200].decode(errors="replace").strip() or "an empty body"
    message = f"HTTP {status} with something that is not an answer of backfilld: {start}"
    return ApiError(status, "not_backfilld", message, (), headers.get("X-Request-Id"), retry_after(headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, if the header is there and says seconds."""
    text = headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
