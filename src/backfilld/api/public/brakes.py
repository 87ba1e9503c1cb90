"""Brakes over HTTP: what each sees, and the three verbs."""

from datetime import timedelta
from typing import Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Body, Instant
from backfilld.api.framework.reading.reasons import Reason
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.brakes.history import History
from backfilld.domain.brakes.settings import BrakeSettings, Thresholds
from backfilld.operations.brakes import BrakeNow, BrakeOperations, Looked

TAG = "Brakes"
MOST_SAMPLES = 120
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class ThresholdsShape(Answer):
    """Beyond `hold` it holds, at `release` it goes on, beyond `critical` somebody has to reset it."""

    above: bool = Field(description="true: greater values are worse")
    hold: float = Field(description="beyond it, it holds", examples=[10])
    release: float = Field(description="at it, or on its good side, it lets go", examples=[8])
    critical: float | None = Field(
        description="beyond it, it holds until somebody resets it; null: none", examples=[120]
    )

    @classmethod
    def of(cls, limits: Thresholds) -> Self:
        return cls(above=limits.above, hold=limits.hold, release=limits.release, critical=limits.critical)


class AppliesTo(Answer):
    """What is held; null: any."""

    workflows: list[str] | None = Field(description="of these workflows", examples=[["default/enrich"]])
    targets: list[str] | None = Field(description="to these origins", examples=[["https://crm.example"]])
    live: bool = Field(description="true: attempts that schedules or people start are held, too")


class EpisodeShape(Answer):
    """One time that it held."""

    why: str = Field(description="what it saw", examples=["14.2 is more than 10"])
    began_at: Instant = Field(description="when it began to hold")
    ended_at: Instant | None = Field(description="null: it still holds")
    worst: float | None = Field(description="the worst that it saw; null without numbers", examples=[17.5])


class SampleShape(Answer):
    """A value that it saw."""

    at: Instant
    value: float


class HoldShape(Answer):
    """Why nothing that it applies to starts."""

    code: str = Field(description="`braked` or `braked_critically`", examples=["braked"])
    message: str
    since: Instant


class BrakeAnswer(Answer):
    """A brake of the configuration file, as it is now."""

    name: str = Field(examples=["crm_lag"])
    type: str = Field(description="sql, prometheus, http or file", examples=["sql"])
    looks_at: str = Field(description="where it looks, without secrets", examples=["http://prometheus.internal:9090"])
    holds: bool = Field(description="whether nothing that it applies to starts")
    hold: HoldShape | None = Field(description="why not; null: it does not hold")
    value: float | None = Field(description="what it saw last; null without a number", examples=[14.2])
    says: str | None = Field(description="what was said to it last, in words", examples=["it answers HTTP 503"])
    thresholds: ThresholdsShape | None = Field(description="its limits; null: a look says by itself whether it is bad")
    every_seconds: float = Field(description="how often it looks", examples=[5.0])
    on_error: str = Field(description="what three failed looks in a row do: hold or go_on", examples=["hold"])
    last_look_at: Instant | None = Field(description="when it looked last; null: not yet")
    last_error: str | None = Field(
        description="why the last look saw nothing; null: it saw something", examples=["no answer within 2 s"]
    )
    critical_since: Instant | None = Field(description="since when it is latched; null: it is not")
    critical_value: float | None = Field(description="what it was at then", examples=[130.0])
    released_until: Instant | None = Field(description="until when somebody holds it open; null: nobody does")
    released_by: str | None = Field(description="who holds it open", examples=["anna"])
    release_reason: str | None = Field(description="what was said of that", examples=["the replica is being rebuilt"])
    applies_to: AppliesTo = Field(description="what it holds")
    last_hour: list[SampleShape] = Field(description="what it saw in the last hour, in this daemon")
    episodes: list[EpisodeShape] = Field(description="when it held, newest first")

    @classmethod
    def of(cls, now: BrakeNow) -> Self:
        brake, verdict = now.brake, now.brake.verdict
        settings, kept = brake.settings, brake.kept
        reason = brake.reason(now.at)
        limits = settings.rules.thresholds
        is_released = kept is not None and kept.is_released(now.at)
        step = max(1, len(brake.samples) // MOST_SAMPLES)
        return cls(
            name=settings.name,
            type=settings.kind,
            looks_at=settings.looks_at,
            holds=reason is not None,
            hold=None if reason is None else HoldShape(code=reason.code, message=reason.message, since=reason.since),
            value=None if verdict.seen is None else verdict.seen.value,
            says=None if verdict.seen is None else verdict.seen.text,
            thresholds=None if limits is None else ThresholdsShape.of(limits),
            every_seconds=settings.rules.every_seconds,
            on_error=settings.rules.on_error,
            last_look_at=verdict.looked_at,
            last_error=verdict.problem,
            critical_since=None if kept is None else kept.critical_at,
            critical_value=None if kept is None else kept.critical_value,
            released_until=kept.released_until if kept is not None and is_released else None,
            released_by=kept.released_by if kept is not None and is_released else None,
            release_reason=kept.release_reason if kept is not None and is_released else None,
            applies_to=_scope(settings),
            last_hour=[SampleShape(at=at, value=value) for at, value in list(brake.samples)[::step]],
            episodes=[
                EpisodeShape(why=one.why, began_at=one.began_at, ended_at=one.ended_at, worst=one.worst)
                for one in now.episodes
            ],
        )


def _scope(settings: BrakeSettings) -> AppliesTo:
    scope = settings.scope
    return AppliesTo(
        workflows=None if scope.workflows is None else sorted(scope.workflows),
        targets=None if scope.targets is None else sorted(scope.targets),
        live=scope.live,
    )


class ManyBrakes(Answer):
    """All of them, by name."""

    brakes: list[BrakeAnswer] = Field(description="The brakes.")


class OneBrake(Answer):
    """The brake, and what came of the request."""

    brake: BrakeAnswer = Field(description="as it is now")
    message: str


class HistoryShape(Answer):
    """How it would have held."""

    times: int = Field(description="how often it would have begun to hold", examples=[3])
    held_seconds: float = Field(description="for how long in all", examples=[840.0])
    held_in_windows_seconds: float | None = Field(
        description="how much of that inside the windows of active backfills that it applies to; of several the most;"
        " null: there are none",
        examples=[120.0],
    )
    worst: float | None = Field(description="the worst value of that time; null: there was none", examples=[17.5])


class LookAnswer(Answer):
    """What one look saw."""

    brake: BrakeAnswer = Field(description="as it is after the look")
    value: float | None = Field(description="the number; null without one, or if nothing was seen", examples=[3.1])
    says: str | None = Field(description="what was said, in words", examples=["it answers HTTP 200"])
    error: str | None = Field(description="why nothing was seen; null: something was")
    bad: bool | None = Field(description="whether it counts for holding; null: nothing was seen", examples=[False])
    critical: bool = Field(description="whether it is beyond the critical limit", examples=[False])
    took_ms: float = Field(description="how long the look took, in milliseconds", examples=[12.5])
    history: HistoryShape | None = Field(description="null unless `since` was asked for")

    @classmethod
    def of(cls, looked: Looked) -> Self:
        seen, past = looked.seen, looked.history
        return cls(
            brake=BrakeAnswer.of(looked.now),
            value=None if seen is None else seen.value,
            says=None if seen is None else seen.text,
            error=looked.problem,
            bad=looked.is_bad,
            critical=looked.is_critical,
            took_ms=round(looked.seconds * 1000, 1),
            history=None if past is None else _history(past),
        )


def _history(past: History) -> HistoryShape:
    return HistoryShape(
        times=past.times,
        held_seconds=past.held_seconds,
        held_in_windows_seconds=past.in_windows_seconds,
        worst=past.worst,
    )


class TestBrake(Body):
    """What to look at beside the present."""

    since: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]{0,3}[mhdw]$",
        description="type prometheus: how it would have held in the last 7d, 12h, 2w, …",
        examples=["7d"],
    )


class ResetBrake(Body):
    """Why it may go on."""

    reason: Reason | None = None


class ReleaseBrake(Body):
    """Until when it is held open, and why."""

    until: Instant = Field(description="at most 24 hours ahead", examples=["2027-03-14T07:00:00Z"])
    reason: Reason | None = None


_RESET = (
    "Takes the latch of a critical value away, in every daemon. It looks first: while it is bad, or sees nothing, 409"
    " `brake_bad`."
)
_RELEASE = "Nothing that it sees holds anything until then; the release ends by itself. Again: replaces the one before."


def routes(operations: BrakeOperations) -> list[Route]:
    """All of them."""

    async def list_all(_: RequestContext[None, None]) -> Reply:
        return Reply(ManyBrakes(brakes=[BrakeAnswer.of(now) for now in await operations.list_all()]))

    async def test(asked: RequestContext[TestBrake | None, None]) -> Reply:
        since = asked.body.since if asked.body else None
        back = None if since is None else timedelta(seconds=int(since[:-1]) * _SECONDS[since[-1]])
        return Reply(LookAnswer.of(await operations.look(asked.path["name"], back)))

    async def reset(asked: RequestContext[ResetBrake | None, None]) -> Reply:
        why = asked.body.reason if asked.body else None
        now, message = await operations.reset(asked.actor, asked.path["name"], why=why)
        return Reply(OneBrake(brake=BrakeAnswer.of(now), message=message))

    async def release(asked: RequestContext[ReleaseBrake, None]) -> Reply:
        body = asked.body
        now = await operations.release(asked.actor, asked.path["name"], until=body.until, why=body.reason)
        return Reply(OneBrake(brake=BrakeAnswer.of(now), message="it holds nothing until then"))

    one = "/public-api/brakes/{name}"
    return [
        Route("GET", "/public-api/brakes", list_all, "viewer", "List the brakes", ManyBrakes, tag=TAG),
        Route("POST", one + "/test", test, "operator", "Look now", LookAnswer,
              body=TestBrake, body_optional=True, tag=TAG, errors=(503,)),
        Route("POST", one + "/reset", reset, "operator", "Let a brake go on that was critical", OneBrake,
              body=ResetBrake, body_optional=True, tag=TAG, description=_RESET, errors=(409,)),
        Route("POST", one + "/release", release, "admin", "Hold a brake open for a while", OneBrake,
              body=ReleaseBrake, tag=TAG, description=_RELEASE),
    ]  # fmt: skip
