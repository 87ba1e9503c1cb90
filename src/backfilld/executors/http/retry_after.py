"""For how long an answer asks us to wait."""

from datetime import datetime

from backfilld.domain import retry_after
from backfilld.executors.http.wire.response_parser import Headers


def retry_after_seconds(headers: Headers, now: datetime) -> float | None:
    """As `domain.retry_after` reads the headers of an answer."""
    return retry_after.retry_after_seconds(headers.joined("Retry-After"), headers.get("Date", ""), now)
