"""Long lists as text, which PostgreSQL reads by itself: `$1::text::integer[]`.

asyncpg looks at each element of a list, whether that is a list again, and puts an instant together of its parts: of a
column of instants this costs five times what their text does.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

_MICROSECOND = timedelta(microseconds=1)


def integers(values: Sequence[int]) -> str:
    """For `::text::integer[]`, or any other kind of whole numbers."""
    return "{" + repr(values)[1:-1] + "}"


def microseconds_before(now: datetime, instants: Sequence[datetime | None]) -> str:
    """How long before `now` each was, for `::text::bigint[]`; what is not there is NULL."""
    try:
        return integers([(now - at) // _MICROSECOND for at in instants])  # type: ignore[operator]
    except TypeError:
        return "{" + ",".join("NULL" if at is None else str((now - at) // _MICROSECOND) for at in instants) + "}"
