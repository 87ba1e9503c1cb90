"""The settings of the part that runs by itself: how much at once, how patiently, and against which targets."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from backfilld.config.fields import Name, Seconds, SecondsOrNone, Section


class EngineSettings(Section):
    """How much at once, and how patiently."""

    max_in_flight_limit: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="The largest max_in_flight that a backfill may ask for.",
    )
    max_in_flight_total: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Entities in flight at any instant, over all backfills of this daemon.",
    )
    live_reserve: int = Field(
        default=10,
        ge=0,
        le=10_000,
        description="How many of them are kept free of backfills, for what schedules or people start."
        " 0: that starts only when no backfill waits for the place.",
    )
    max_unrecorded: int = Field(
        default=200,
        ge=1,
        le=10_000,
        description="Finished entities that may wait to be written; how many are repeated after a kill -9, at most.",
    )
    record_linger_milliseconds: int = Field(
        default=50,
        ge=0,
        le=1000,
        description="Milliseconds that a write waits for company, under load only. More saves database work.",
    )
    shutdown_grace_seconds: SecondsOrNone = Field(
        default=90.0,
        description="Seconds that entities in flight get to finish at SIGTERM;"
        " the unit's TimeoutStopSec must be longer.",
    )
    count_timeout_seconds: Seconds = Field(
        default=2.0, description="Seconds that creating or previewing a backfill waits for exact totals."
    )
    freshness_seconds: Seconds = Field(
        default=5.0, description="Seconds that an entity's attributes may be old when it is started."
    )
    ramp_seconds: SecondsOrNone = Field(
        default=2.0, description="Seconds over which slots are filled when a window opens, to spare the target."
    )
    require_explicit_match_all: bool = Field(
        default=False,
        description='true: an empty filter is refused; {"match_all": true} has to be written for everything.',
    )
    allow_concurrent_backfills_per_workflow: bool = Field(
        default=False, description="true: several backfills of one workflow may be active at once."
    )
    delete_needs_admin: bool = Field(
        default=True, description="false: an operator may delete ended backfills, too, and not only an admin."
    )
    approval_by_another: bool = Field(
        default=False,
        description="true: every backfill and rerun waits until somebody else than its creator has approved its plan.",
    )

    @model_validator(mode="after")
    def _fits(self) -> "EngineSettings":
        if self.live_reserve >= self.max_in_flight_total:
            raise ValueError("live_reserve must be smaller than max_in_flight_total, or no backfill ever starts")
        return self


class ExecutorsSettings(Section):
    """What may be done to an entity, and how long it may take."""

    definable_by_api: Annotated[tuple[Literal["http", "command", "temporal"], ...], Field(strict=False)] = Field(
        default=("http",),
        description="Executor types that may be sent over HTTP; others only in this file. [] for none.",
    )
    allowed_hosts: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(),
        description="Hosts that targets may be on: 'api.example.com', '*.example.com', 'api.example.com:8443'."
        " Empty: any. Link-local addresses are never allowed.",
    )
    connect_timeout_seconds: Seconds = Field(
        default=10.0, description="Seconds to reach a target, TLS included; longer counts as unreachable."
    )
    response_timeout_seconds: Seconds = Field(
        default=60.0,
        description="Seconds that an answer may pause once it has begun;"
        " a workflow's timeout_seconds bounds the whole.",
    )
    max_response_bytes: int = Field(
        default=65_536, ge=1024, le=1 << 26, description="Bytes of an answer that are read; the rest is left unread."
    )
