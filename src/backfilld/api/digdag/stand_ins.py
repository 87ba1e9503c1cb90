"""Rows that cannot be shown, as clients of the dialect survive them: every key is there, of the right type.

What can be read is told; in place of the rest stand an empty text, zero, an empty object, the status `error`, or
the year 1970.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum, EnumType
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, get_args, get_origin

from backfilld.api.framework.answering.rows import StandIn, must_be_read, named, readable

Row = TypeVar("Row")
More = ParamSpec("More")
Show = Callable[Concatenate[Row, More], dict[str, Any]]
EPOCH = "1970-01-01T00:00:00Z"
NO_UUID = "00000000-0000-0000-0000-000000000000"
_TIMES = ("_at", "_time")
# Where a key has another name than the row's field, or is made of it.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "project": lambda row: {"id": str(row.project_id), "name": row.project_name},
    "workflow": lambda row: {"id": str(row.revision_id), "name": row.workflow_name},
    "retry_attempt_name": lambda row: row.name,
    "done": lambda row: row.finished_at is not None,
    "success": lambda row: row.succeeded,
    "cancel_requested": lambda row: row.cancel_requested_at is not None,
    "next_run_time": lambda row: row.next_run_at,
    "next_schedule_time": lambda row: row.next_session_at,
}


def survivable(model: type[Any]) -> Callable[[Show[Row, More]], Show[Row, More]]:
    """Makes a function that shows a row as `model` into one that never fails."""

    def decorated(show: Show[Row, More]) -> Show[Row, More]:
        @wraps(show)
        def shown(row: Row, /, *more: More.args, **named: More.kwargs) -> dict[str, Any]:
            try:
                must_be_read(row)
                return show(row, *more, **named)
            except Exception:
                return _stand_in(model, row)

        return shown

    return decorated


def _stand_in(model: type[Any], row: Any) -> StandIn:
    fields = model.model_fields

    def read(name: str) -> Any:
        found = _READERS[name](row) if name in _READERS else getattr(row, name)
        return _fitted(found, fields[name].annotation)

    values = readable(fields, read, lambda name: _empty(name, fields[name].annotation))
    keys = {name: field.alias or name for name, field in fields.items()}
    return StandIn({keys[name]: value for name, value in values.items()}, named(row, model.__name__))


def _fitted(value: Any, kind: Any) -> Any:
    """The value as JSON has it, if it is of that kind. TypeError or ValueError."""
    if value is None and type(None) in get_args(kind):
        return None
    if isinstance(value, datetime):
        return spelled(value)
    if isinstance(value, Enum):
        return value.value
    if kind in (str, str | None):
        return str(value)
    if isinstance(kind, type) and kind in (int, bool) and not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return dict(value) if isinstance(value, Mapping) else value


def _empty(name: str, kind: Any) -> Any:
    if type(None) in get_args(kind):
        return None
    if kind is str:
        if name.endswith("_uuid"):
            return NO_UUID
        return EPOCH if name.endswith(_TIMES) else ""
    if kind in (int, bool):
        return kind()
    if isinstance(kind, EnumType) or get_origin(kind) is Literal:
        return "error"  # of the words for how an attempt, or its task, stands
    if getattr(kind, "__name__", "") == "NamedShape":
        return {"id": "0", "name": ""}
    return [] if getattr(kind, "__origin__", None) is list else {}


def spelled(at: datetime) -> str:
    """An instant from an end of the calendar, where no zone can be had any more; as UTC."""
    return at.replace(tzinfo=UTC, microsecond=0).isoformat()
