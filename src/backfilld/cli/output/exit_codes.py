"""What a script may conclude from how a command ended. Written down in docs/cli.md; never renumbered."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
CONFLICT: Final = 4
SOME_FAILED: Final = 5
DID_NOT_COMPLETE: Final = 6
UNAVAILABLE: Final = 7
NOT_ALLOWED: Final = 8
NOTHING_MATCHED: Final = 9
CANNOT_WORK: Final = 10
HELD: Final = 11
INTERRUPTED: Final = 130

EXIT_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        OK: "ok",
        ERROR: "error",
        USAGE: "usage or invalid input",
        NOT_FOUND: "not found",
        CONFLICT: "conflict",
        SOME_FAILED: "completed with failures",
        DID_NOT_COMPLETE: "backfill cancelled or failed",
        UNAVAILABLE: "daemon or database unavailable",
        NOT_ALLOWED: "not allowed",
        NOTHING_MATCHED: "nothing matched",
        CANNOT_WORK: "the daemon cannot work until somebody mends it",
        HELD: "waits for somebody to look at it",
        INTERRUPTED: "interrupted",
    }
)

_BY_HTTP_STATUS: Final = {
    400: USAGE,
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    409: CONFLICT,
    412: CONFLICT,
    413: USAGE,
    415: USAGE,
    422: USAGE,
    429: UNAVAILABLE,
    503: UNAVAILABLE,
}

_BY_END: Final = {
    "completed": OK,
    "completed_with_failures": SOME_FAILED,
    "cancelled": DID_NOT_COMPLETE,
    "failed": DID_NOT_COMPLETE,
}


def of_http_status(status: int) -> int:
    """How a command ends that was refused with this HTTP status."""
    return _BY_HTTP_STATUS.get(status, ERROR)


def of_end(backfill: Mapping[str, Any]) -> int:
    """How watching ends when the backfill ended like this."""
    if backfill["status"] == "paused":
        return HELD  # nobody ends to watch another one
    if backfill["status"] == "completed" and backfill["total_entities"] == 0:
        return NOTHING_MATCHED
    return _BY_END.get(backfill["status"], ERROR)


def allowing_empty(code: int, *, allow_empty: bool) -> int:
    """The same, with "nothing matched" as fine if that is allowed."""
    return OK if allow_empty and code == NOTHING_MATCHED else code
