"""What the cells of an imported file mean.

A CSV knows nothing but text, and a filter that compares the number 3 with the text "3" matches nothing. So every
column gets a type, guessed from all of its cells or said by a person, and its cells become values of that type.
A guess loses nothing: what would not come back as it was written (leading zeros, 20 digits) stays text.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters.dates import is_date, spell_instant

FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_EXACT_DIGITS = 15  # a decimal of so many digits comes back from a double as it was
_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_ZERO_DAY = "0000-00-00"  # MySQL's
FIRST_DAY, LAST_DAY = "1000-01-01", "9000-12-31"  # the years that instants are kept in
_DAY_AND_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?: ?(?:([Zz]|UTC)|([+-][0-9]{2}):?([0-9]{2})?))?)?"
)
_BOOLEANS = dict.fromkeys(("true", "yes", "t", "y", "1"), True) | dict.fromkeys(("false", "no", "f", "n", "0"), False)


class BadCell(ValueError):
    """A cell that cannot be of its column's type; the message says what was found and expected."""


def converter(type: FieldType, zone: ZoneInfo) -> Callable[[Any], Any]:
    """A function from a cell (text, or a JSON value) to a value of `type`; BadCell if there is none.

    Null stays null, and empty text is null where no text is wanted. Instants come back in UTC with `Z`, those without
    an offset taken as local in `zone`; a date without a time stays a date.
    """
    convert = _CONVERTERS[type]

    def converted(cell: Any) -> Any:
        if cell is None or (cell == "" and type != "string"):
            return None
        return convert(cell, zone)

    return converted


class DateRead(NamedTuple):
    """A date as it is kept. `clamped`: it was beyond the years that are kept; `naive`: it was a time without offset."""

    value: str
    clamped: bool = False
    naive: bool = False


def read_date(cell: Any, zone: ZoneInfo) -> DateRead:
    """A day, or an instant in UTC, from any spelling that is understood; BadCell for anything else.

    What other systems write for "no date" (0001-01-01, 0000-00-00, 9999-12-31) becomes the first or the last day that
    is kept, so that it still comes before, or after, every other date.
    """
    text = cell.strip() if isinstance(cell, str) else ""
    match = _DAY_AND_TIME.fullmatch(text)
    if match is None:
        raise BadCell(f"{_shown(cell)} is not a date such as '2027-03-14' or '2027-03-14T07:00:00Z'")
    day, minute, second, fraction, utc, hours, minutes = match.groups()
    naive = minute is not None and not utc and not hours
    if day != _ZERO_DAY and not is_date(day):
        raise _no_moment(cell)
    if not FIRST_DAY <= day <= LAST_DAY:
        return DateRead(_edge(day, minute is not None), clamped=True, naive=naive)
    if minute is None:
        return DateRead(day)
    offset = "+00:00" if utc else f"{hours}:{minutes or '00'}" if hours else ""
    try:
        at = datetime.fromisoformat(f"{day}T{minute}:{second or '00'}.{(fraction or '')[:6]:0<6}{offset}")
        spelled = spell_instant(at if at.tzinfo else at.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise _no_moment(cell) from None
    if not FIRST_DAY <= spelled[:10] <= LAST_DAY:  # by its offset
        return DateRead(_edge(spelled, timed=True), clamped=True, naive=naive)
    return DateRead(spelled, naive=naive)


def read_instant(cell: Any, zone: ZoneInfo) -> DateRead:
    """As `read_date`, but a day becomes its local midnight: for `updated_at`."""
    text = cell.strip() if isinstance(cell, str) else cell
    read = read_date(text, zone)
    return read if "T" in read.value else read_date(f"{text}T00:00", zone)._replace(naive=False)


def _edge(day: str, timed: bool) -> str:
    edge = FIRST_DAY if day < FIRST_DAY else LAST_DAY
    return f"{edge}T00:00:00Z" if timed else edge


def _no_moment(cell: Any) -> BadCell:
    return BadCell(f"{_shown(cell)} is not a moment of the calendar")


class Guess:
    """The type of a column, from all of its cells; `see` each of them.

    `type` is the narrowest type that takes every cell as it is written; None if there was nothing but nulls, or no
    type takes them all (which happens to JSON only: every text can be text).
    """

    def __init__(self, zone: ZoneInfo, *, is_json: bool) -> None:
        self._zone = zone
        self._types_of = _types_of_json if is_json else _types_of_text
        self._last = frozenset[FieldType]() if is_json else _TEXT  # what nothing can narrow any more
        self._fitting = frozenset[FieldType]()
        self._seen = False

    def see(self, cell: Any) -> None:
        if cell is None or (self._seen and self._fitting == self._last):
            return
        fitting = self._types_of(cell, self._zone)
        self._fitting = self._fitting & fitting if self._seen else fitting
        self._seen = True

    @property
    def type(self) -> FieldType | None:
        return next((type for type in _NARROWEST_FIRST if type in self._fitting), None)


_NARROWEST_FIRST: tuple[FieldType, ...] = ("integer", "number", "boolean", "date", "string")
_TEXT: frozenset[FieldType] = frozenset({"string"})


def _types_of_json(cell: Any, zone: ZoneInfo) -> frozenset[FieldType]:
    if isinstance(cell, str):  # text that looks like a number was meant as text
        return _types_of_text(cell, zone) & {"string", "date"}
    if isinstance(cell, bool):
        return frozenset({"boolean"})
    if isinstance(cell, int):
        return frozenset({"integer", "number"})
    return frozenset({"number"}) if isinstance(cell, float) else frozenset()


def _types_of_text(text: str, zone: ZoneInfo) -> frozenset[FieldType]:
    if _PLAIN_INTEGER.fullmatch(text) and _SMALLEST <= int(text) <= _LARGEST:
        return _TEXT | {"integer", "number"} if _is_exact(text) else _TEXT | {"integer"}
    if _PLAIN_NUMBER.fullmatch(text):
        return _TEXT | {"number"} if _is_exact(text) else _TEXT
    if text in ("true", "false", "True", "False", "TRUE", "FALSE"):
        return _TEXT | {"boolean"}
    return _TEXT | {"date"} if _is_date(text, zone) else _TEXT


def _is_exact(number: str) -> bool:
    """Whether a double can hold it as it is written."""
    mantissa = re.split("[eE]", number)[0]
    return len(re.sub(r"[-.]", "", mantissa).lstrip("0")) <= _EXACT_DIGITS and math.isfinite(float(number))


def _is_date(text: str, zone: ZoneInfo) -> bool:
    if not text[:4].isdigit() or text != text.strip():  # nearly always, and quick
        return False
    try:
        read_date(text, zone)
    except BadCell:
        return False
    return True


def _integer(cell: Any, zone: ZoneInfo) -> int:
    if isinstance(cell, str) and _INTEGER.fullmatch(cell.strip()):
        cell = int(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool) or not isinstance(cell, int):
        raise BadCell(f"{_shown(cell)} is not a whole number")
    if not _SMALLEST <= cell <= _LARGEST:
        raise BadCell(f"{cell} has more than 64 bits; make the column text with --type …=string")
    return cell


def _number(cell: Any, zone: ZoneInfo) -> int | float:
    if isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()):
        whole = _INTEGER.fullmatch(cell.strip()) and _SMALLEST <= int(cell) <= _LARGEST
        cell = int(cell) if whole else float(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float) or math.isinf(cell):
        raise BadCell(f"{_shown(cell)} is not a number")
    return cell


def _boolean(cell: Any, zone: ZoneInfo) -> bool:
    found = cell if isinstance(cell, bool) else _BOOLEANS.get(str(cell).strip().lower())
    if found is None:
        raise BadCell(f"{_shown(cell)} is neither true nor false")
    return found


def _text(cell: Any, zone: ZoneInfo) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    raise BadCell(f"{_shown(cell)} is not text")


def _date(cell: Any, zone: ZoneInfo) -> str:
    return read_date(cell, zone).value


_CONVERTERS: Mapping[FieldType, Callable[[Any, ZoneInfo], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
    "date": _date,
}


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "…" + text[0]
