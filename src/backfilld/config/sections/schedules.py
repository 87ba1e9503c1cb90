"""The settings of what schedules start, and of what may be asked about their past."""

from pydantic import Field

from backfilld.config.fields import Seconds, Section


class ExecutorSettings(Section):
    """Attempts that schedules fire or people start; those of backfills are bounded by their max_in_flight."""

    attempt_max_run: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Attempts outside of backfills that may be unfinished at once. Beyond it schedules wait in the"
        " order in which they are due, and a start by hand is refused.",
    )
    attempt_ttl_seconds: Seconds = Field(
        default=604_800.0,
        description="Seconds after which an attempt outside of backfills that is not finished is killed: 7 days.",
    )


class SchedulesSettings(Section):
    """What one request over the past of a schedule may ask for."""

    max_points_per_request: int = Field(
        default=50_000,
        ge=1,
        le=1_000_000,
        description="Sessions that one backfill of a schedule may cover. With skipExisting those that have an attempt"
        " do not count; ten times as many are looked at.",
    )
    max_waiting_attempts: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Attempts of backfills that may be unfinished at once; more are refused, all or nothing.",
    )
