"""The kinds of fields that requests and answers are made of.

Two rules of JSON need care: a whole number may be written `1.0`, and an instant without an offset is not an instant.
Bodies are strict (a string is never taken for a number) and closed (a misspelt field is a fault); query strings are
lax, since everything in them is text. A field that domain code reads raises `FaultsFound` from a validator, and its
faults are answered together with everybody else's.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from backfilld.api.framework.cursors import LONGEST_CURSOR, decode_cursor
from backfilld.domain.errors import Fault
from backfilld.domain.instants import beyond, bounded, bounded_date
from backfilld.domain.windows.timezones import parse_zone

LARGEST_ID = 2**63 - 1
PAGE_SIZE = 50
LARGEST_PAGE = 200

_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXPECTED = "must be an instant with its offset (RFC 3339), such as '2027-03-14T07:00:00Z'"


class FaultsFound(ValueError):
    """Raised by a field's validator that found several faults at once; their paths are relative to the field."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


class Body(BaseModel):
    """A request body: strict types, unknown fields refused. Which fields were sent: `model_fields_set`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Query(BaseModel):
    """Query parameters: text is converted, unknown names refused; only list fields may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Answer(BaseModel):
    """A part of an answer. Every field is always present."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True, defer_build=True)


class Page(Query):
    """The query of every list. `key_kinds` are the parts of the keys in its cursors, as `decode_cursor` takes them."""

    key_kinds: ClassVar[tuple[type, ...]] = (int,)

    page_size: int = Field(PAGE_SIZE, ge=1, le=LARGEST_PAGE, description="how many to answer with")
    cursor: str | None = Field(None, max_length=LONGEST_CURSOR, description="`next_cursor` of the page before; opaque")

    @field_validator("cursor")
    @classmethod
    def _readable(cls, cursor: str | None) -> str | None:
        if cursor is not None:
            try:
                decode_cursor(cursor, cls.key_kinds)
            except ValueError as problem:
                raise FaultsFound([Fault("", "invalid_cursor", str(problem))]) from None
        return cursor

    @property
    def behind(self) -> list[Any] | None:
        """The key of the last row of the page before; None for the first page."""
        return None if self.cursor is None else decode_cursor(self.cursor, self.key_kinds)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# To stand after Field, or `minimum` vanishes from the schema: Annotated[int, Field(ge=1, le=10), WHOLE]
WHOLE = BeforeValidator(_whole)

Id = Annotated[int, Field(ge=1, le=LARGEST_ID), WHOLE]
Count = Annotated[int, Field(ge=0, le=LARGEST_ID), WHOLE]


def parse_instant(text: str, path: str = "") -> datetime | Fault:
    """The instant that an RFC 3339 date-time with offset names, in UTC and within bounds.

    A leap second is the last microsecond of its minute; digits beyond the microsecond are cut.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return Fault(path, "invalid_instant", _EXPECTED)
    second, fraction = match[6], ((match[7] or "") + "000000")[:6]
    if second == "60":
        second, fraction = "59", "999999"
    offset = "+00:00" if match[8] in "Zz" else match[8]
    stamp = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{second}.{fraction}{offset}"
    try:
        return bounded(datetime.fromisoformat(stamp).astimezone(UTC), path)
    except OverflowError:
        return beyond(path)
    except ValueError:
        return Fault(path, "invalid_instant", _EXPECTED)


def _instant(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise FaultsFound([Fault("", "invalid_type", "must be an instant as text, such as '2027-03-14T07:00:00Z'")])
    instant = parse_instant(value)
    if isinstance(instant, Fault):
        raise FaultsFound([instant])
    return instant


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _date(value: Any) -> Any:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            found = bounded_date(date.fromisoformat(value), "")
        except ValueError:
            pass
        else:
            if isinstance(found, Fault):
                raise FaultsFound([found])
            return found
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    elif not isinstance(value, str):
        raise FaultsFound([Fault("", "invalid_type", "must be a date as text, such as '2027-03-14'")])
    raise FaultsFound([Fault("", "invalid_date", "must be a date of the calendar, such as '2027-03-14'")])


Instant = Annotated[
    datetime,
    AfterValidator(_utc),
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

# An instant that is shown with an offset, or spelled by the dialect: told as one in the document.
InstantShown = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
InstantShownOrNull = Annotated[str | None, WithJsonSchema({"type": ["string", "null"], "format": "date-time"})]


def _zone(value: str) -> str:
    zone = parse_zone(value, "")
    if isinstance(zone, Fault):
        raise FaultsFound([zone])
    return value


ZoneName = Annotated[str, AfterValidator(_zone)]
LocalDate = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
