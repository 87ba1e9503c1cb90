"""Every error that a caller may see, as one tree.

A few kinds decide the status code; precise codes stand beside them. A message says what was found,
what was expected and what to do about it. Whoever checks input collects `Fault`s and raises one
`Invalid` with all of them, so that a caller never has to mend a body one error at a time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

FAULTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what a caller sent.

    `path` is a JSON Pointer into the body (`/filter_spec/rules/0/field`), or `/query/NAME`, or `/LINE/field`.
    `allowed` names the valid values, nearest first, where there are few enough to name.
    """

    path: str
    code: str
    message: str
    allowed: tuple[str, ...] = ()

    def told(self) -> str:
        """The message with what it is about."""
        return f"{self.path}: {self.message}" if self.path else f"the body {self.message}"

    def under(self, prefix: str) -> "Fault":
        """The same fault, seen from one level further out."""
        return Fault(prefix + self.path, self.code, self.message, self.allowed)


class BackfilldError(Exception):
    """Anything that is answered to a caller; `status` is the HTTP status, `code` the machine-readable word."""

    status = 500
    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.extra: Mapping[str, Any] = details or {}


class Unreadable(BackfilldError):
    """The request could not be read at all: not JSON, not UTF-8, duplicate keys, nested too deep."""

    status, code = 400, "unreadable"


class Unauthenticated(BackfilldError):
    """Who is asking is not known."""

    status, code = 401, "unauthenticated"


class InvalidToken(Unauthenticated):
    """Credentials were sent, and they are not known."""


class Forbidden(BackfilldError):
    """Who is asking is known, and may not do this."""

    status, code = 403, "forbidden"


class NotFound(BackfilldError):
    """There is no such thing (or none that the caller may know of)."""

    status, code = 404, "not_found"


class Conflict(BackfilldError):
    """The request is fine, but the thing is in a state that does not allow it now."""

    status, code = 409, "conflict"


class CannotBeRead(Conflict):
    """What the database holds of it says nothing that this version understands. It can be looked at, and deleted."""

    code = "cannot_be_read"

    def __init__(self, what: str, problem: Exception) -> None:
        why = f"{type(problem).__name__}: {problem}"[:200]
        super().__init__(f"{what} cannot be read by this version ({why}), so nothing can be done with it")


class VersionMismatch(BackfilldError):
    """`If-Match` named another version than the current one."""

    status, code = 412, "version_mismatch"


class TooLarge(BackfilldError):
    """The body, or one line of it, is larger than the limit."""

    status, code = 413, "too_large"


class UnsupportedMediaType(BackfilldError):
    """The body is of a content type that this route does not read."""

    status, code = 415, "unsupported_media_type"


class Invalid(BackfilldError):
    """Understood, but wrong. Carries every fault, not the first one."""

    status, code = 422, "invalid"

    def __init__(self, faults: Iterable[Fault], message: str | None = None) -> None:
        self.faults = tuple(faults)
        if message is None:
            first = self.faults[0]
            more = len(self.faults) - 1
            message = first.told() + (f" (and {more} more)" if more else "")
        super().__init__(message, code=self.faults[0].code if len(self.faults) == 1 else None)


class RateLimited(BackfilldError):
    """Too many requests; `retry_after_seconds` says when the next one fits."""

    status, code = 429, "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: float, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(BackfilldError):
    """Something that is needed (the database, an identity provider, an owner's answer) cannot be had now."""

    status, code = 503, "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: float = 5) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


def nearest(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """The known names most like `name`, best first; empty if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    if len(name) > 3 * max(map(len, by_lower), default=0):
        return ()  # nothing can be near; to find that out for a megabyte takes the loop a second
    return tuple(by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=most, cutoff=0.6))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing if no known name is near. To be appended to a message."""
    near = nearest(name, known, most=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def pointer(*parts: str | int) -> str:
    """A JSON Pointer (RFC 6901) from its parts: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
