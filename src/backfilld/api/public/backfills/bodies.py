"""What can be sent about backfills: bodies and queries, with their types and bounds.

Values that need more than a type (windows, zone, filter, workflow) are checked by `operations.checking`, which sees
the same body.
"""

from dataclasses import fields
from functools import cache
from typing import Annotated, Any, Literal, Optional

from pydantic import AfterValidator, Field, WithJsonSchema, create_model

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.fields import (
    WHOLE,
    Body,
    Count,
    FaultsFound,
    Id,
    Instant,
    LocalDate,
)
from backfilld.api.framework.reading.reasons import Reason
from backfilld.api.public.backfills.limit_fields import (
    Credits,
    SetFailurePolicy,
    SetSlowDown,
    StartsPerMinute,
    wanted_policy,
    wanted_slow_down,
)
from backfilld.domain.backfill_settings import (
    MOST_ATTEMPTS,
    MOST_ENTITY_IDS,
    MOST_EXCLUDED_DATES,
    MOST_NAME,
    MOST_PARAMS_BYTES,
    MOST_SAMPLE,
    BackfillSettings,
    Order,
    Reprocess,
    Start,
)
from backfilld.domain.entities.records import EntityType
from backfilld.domain.errors import Fault
from backfilld.domain.windows.weekly import WEEKDAYS

LedgerStatus = Literal["pending", "in_flight", "retrying", "succeeded", "failed", "skipped", "cancelled"]

_TIME = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$|^24:00(:00)?$"}
_WINDOW = {
    "title": "RunWindow",
    "type": "object",
    "description": "From when to when, by the zone's clocks.",
    "required": ["run_start_time", "run_end_time"],
    "additionalProperties": False,
    "properties": {
        "run_start_time": _TIME | {"description": "When it opens.", "examples": ["22:00"]},
        "run_end_time": _TIME | {"description": "When it closes; `24:00` is midnight.", "examples": ["06:00"]},
    },
}
WINDOWS_SCHEMA: dict[str, Any] = {
    "title": "WeeklyWindows",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        day: {
            "type": ["array", "null"],
            "items": _WINDOW,
            "maxItems": 24,
            "description": f"The windows that open on a {day.capitalize()}.",
        }
        for day in WEEKDAYS
    },
    "description": "A missing, null or empty day is closed. An end before its start means the next calendar day.",
    "examples": [{"friday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}],
}
FILTER_SCHEMA: dict[str, Any] = {
    "title": "FilterSpec",
    "type": "object",
    "additionalProperties": True,
    "description": "A rule group, or the shorthand of fields and values. `{}` matches everything.",
    "examples": [{"status": "open", "priority": [1, 2]}],
}
# Those that stand in the document once, under their titles.
NAMED_SCHEMAS: dict[str, dict[str, Any]] = {
    str(schema["title"]): schema for schema in (_WINDOW, WINDOWS_SCHEMA, FILTER_SCHEMA)
}

Name = Annotated[str, Field(max_length=MOST_NAME)]
# The upper ends of the unchecked ones are looked at where they are taken apart.
FilterSpec = Annotated[Any, WithJsonSchema(FILTER_SCHEMA)]
Windows = Annotated[Any, WithJsonSchema(WINDOWS_SCHEMA)]


def _bounded_params(value: dict[str, Any]) -> dict[str, Any]:
    size = len(strict_json.dump(value))
    if size > MOST_PARAMS_BYTES:
        message = f"is {size:,} bytes as JSON; at most {MOST_PARAMS_BYTES:,}"
        raise FaultsFound([Fault("", "too_large", message)])
    return value


_START = """`when_approved`: paused once the plan is frozen, until resumed, which approves it;
`when_approved_by_another`: by somebody else than whoever created it, a key counting as whoever made it."""

_RECHECK = """Whether the filter is asked again right before each first start; what has stopped matching is skipped
`no_longer_matches`. null: true for types of APIs that can be read again, else false."""


class CreateBackfill(Body):
    """A workflow over every entity that matches a filter, within windows."""

    entity_type: EntityType
    filter_spec: FilterSpec
    daily_execution_windows: Windows
    max_in_flight: Annotated[int, Field(ge=1, description="Entities worked on at any instant."), WHOLE]
    target_workflow_id: Id = Field(description="A workflow, or one of its revisions.")
    timezone: str = Field("UTC", max_length=64, description="IANA name, of the windows and of dates in the filter.")
    total_estimated: Count | None = Field(None, description="The caller's own guess; kept as sent.")
    name: Name | None = None
    reason: Reason | None = None
    start: Start = Field("now", description=_START)
    entity_ids: Annotated[list[str], Field(max_length=MOST_ENTITY_IDS)] | None = Field(None, description="Only these.")
    order: Order = "source"
    reprocess_behavior: Reprocess = "failed"
    sample_size: Annotated[int, Field(ge=1, le=MOST_SAMPLE), WHOLE] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS), WHOLE] | None = None
    excluded_dates: Annotated[list[LocalDate], Field(max_length=MOST_EXCLUDED_DATES)] = Field(default_factory=list)
    params: Annotated[dict[str, Any], AfterValidator(_bounded_params)] = Field(default_factory=dict)
    rehearsal: bool = Field(
        False, description="Handed to the target, which does nothing for real then; its outcomes count for nothing."
    )
    starts_per_minute: StartsPerMinute | None = None
    failure_policy: SetFailurePolicy | None = Field(
        None, description="When it stops by itself because too much fails; null: the defaults, which are on."
    )
    max_credits: Credits | None = None
    slow_down: SetSlowDown | None = Field(
        None, description="Fewer at once while the target is slow; null: the target's latency is not followed."
    )

    recheck: bool | None = Field(None, description=_RECHECK)

    def settings(self, *, max_attempts: int, recheck: bool) -> BackfillSettings:
        """The same for the operations; for a body that says nothing of them, `max_attempts` are the workflow's, and
        `recheck` is what is usual for its type."""
        asked: dict[str, Any] = {name: chosen(name, getattr(self, name)) for name in _SETTINGS}
        asked["failure_policy"] = wanted_policy(self.failure_policy)
        asked["max_attempts"] = self.max_attempts or max_attempts
        asked["recheck"] = recheck if self.recheck is None else self.recheck
        return BackfillSettings(**asked)

    def distinct_ids(self) -> tuple[str, ...] | None:
        """The ids that were named, once each; None: whatever matches."""
        return None if self.entity_ids is None else tuple(dict.fromkeys(self.entity_ids))


_SETTINGS = tuple(f.name for f in fields(BackfillSettings) if f.name in CreateBackfill.model_fields)


class ChangeBackfill(Body):
    """What shall be different, by the names of settings; null restores the default, what is left out stays."""

    max_in_flight: Annotated[int, Field(ge=1), WHOLE] | None = None
    daily_execution_windows: Windows | None = None
    timezone: str | None = Field(None, max_length=64, description="IANA name.")
    excluded_dates: Annotated[list[LocalDate], Field(max_length=MOST_EXCLUDED_DATES)] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS), WHOLE] | None = None
    starts_per_minute: StartsPerMinute | None = None
    failure_policy: SetFailurePolicy | None = None
    max_credits: Credits | None = None
    slow_down: SetSlowDown | None = None
    recheck: bool | None = Field(None, description=_RECHECK)
    name: Name | None = None
    reason: Reason | None = Field(None, description="Why; kept in the audit log.")


CHANGEABLE = tuple(
    f.name for f in fields(BackfillSettings) if f.name in ChangeBackfill.model_fields.keys() - {"reason"}
)


def chosen(name: str, value: Any) -> Any:
    """A value of a body as the settings keep it."""
    if name == "failure_policy" and value is not None:
        return wanted_policy(value)
    if name == "slow_down":
        return wanted_slow_down(value)
    return frozenset(value) if name == "excluded_dates" and value is not None else value


@cache
def create_body(max_in_flight_limit: int) -> type[CreateBackfill]:
    """`CreateBackfill` with the bound that the configuration sets."""
    return create_model(
        "CreateBackfill",
        __base__=CreateBackfill,
        __doc__=CreateBackfill.__doc__,
        max_in_flight=(_in_flight(max_in_flight_limit), ...),
    )


@cache
def preview_body(max_in_flight_limit: int) -> type[CreateBackfill]:
    """The same of a backfill that need not say yet by which workflow."""
    named = Field(None, description="Left out: nothing is told of what it ran before, of its cost and of its speed.")
    return create_model(
        "PreviewBackfill",
        __base__=create_body(max_in_flight_limit),
        __doc__="A backfill that nobody makes.",
        target_workflow_id=(Optional[Id], named),  # noqa: UP045  # made at run time
    )


@cache
def change_body(max_in_flight_limit: int) -> type[ChangeBackfill]:
    """`ChangeBackfill` with the same bound."""
    bounded: Any = Optional[_in_flight(max_in_flight_limit)]  # noqa: UP045  # made at run time
    return create_model(
        "ChangeBackfill", __base__=ChangeBackfill, __doc__=ChangeBackfill.__doc__, max_in_flight=(bounded, None)
    )


def _in_flight(limit: int) -> Any:
    return Annotated[int, Field(ge=1, le=limit, description="Entities worked on at any instant."), WHOLE]


class VerifyFilter(Body):
    """A filter whose meaning is asked for."""

    entity_type: EntityType
    filter_spec: FilterSpec
    timezone: str = Field("UTC", max_length=64)


class SteerBackfill(Body):
    """Why. May be left out altogether."""

    reason: Reason | None = None


class PauseBackfill(SteerBackfill):
    """Why, and until when."""

    until: Instant | None = Field(
        None, description="It goes on by itself then. Asked again without one: until it is resumed."
    )


class DeleteBackfill(SteerBackfill):
    """Why it goes; kept in the audit log."""


class CancelBackfill(SteerBackfill):
    """Why, and what becomes of the entities in flight."""

    in_flight: Literal["drain", "cancel"] = Field("drain", description="`drain` lets them finish.")


class RerunFailed(Body):
    """Which of the failed entities; all, if nothing is said."""

    entity_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_ENTITY_IDS)] | None = None
    error_class: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    error_group: Annotated[str, Field(pattern="^[0-9a-f]{18}$")] | None = Field(
        None, description="Only this group of failures, as `errors` names it.", examples=["00f1c1a345d0e4a539"]
    )
    reason: Reason | None = None
    dry_run: bool = Field(False, description="Only count them; makes nothing.")


class Rerun(RerunFailed):
    """Which entities, by what became of them."""

    status: Annotated[list[Literal["succeeded", "failed", "skipped", "cancelled"]], Field(min_length=1)] = Field(
        description="Any of these.", examples=[["skipped", "cancelled"]]
    )
