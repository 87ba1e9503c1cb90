"""The limits that a backfill is given: how much may fail, and what that is as an answer."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from backfilld.api.framework.reading.fields import LARGEST_ID, WHOLE, Answer, Body, FaultsFound
from backfilld.domain.backfill_settings import MOST_FAILURE_WINDOW, FailurePolicy, Percentile, SlowDown
from backfilld.domain.backfills.estimating.limits import Limit
from backfilld.domain.errors import Fault

_USUAL = FailurePolicy()
SLOWEST_PACE = 0.00001  # one start in ten weeks
Credits = Annotated[float, Field(gt=0, le=1e15, description="At most so many are spent; then it pauses.")]
StartsPerMinute = Annotated[
    float, Field(ge=SLOWEST_PACE, le=1e6, description="Starts lie at least 60 s divided by this apart, retries too.")
]


class SetFailurePolicy(Body):
    """When it stops by itself because too much fails: paused with reason `too_many_failures`. Skips are not counted."""

    enabled: bool = Field(True, description="Whether it stops at all.")
    max_failure_ratio: float = Field(
        _USUAL.max_failure_ratio, gt=0, le=1, description="It stops when a greater share of the `window` failed."
    )
    window: Annotated[
        int, Field(ge=1, le=MOST_FAILURE_WINDOW, description="So many of the last entities are looked at."), WHOLE
    ] = _USUAL.window
    min_sample: Annotated[
        int, Field(ge=1, le=MOST_FAILURE_WINDOW, description="The share counts from so many on; at most `window`."),
        WHOLE,
    ] = _USUAL.min_sample  # fmt: skip
    max_consecutive_failures: Annotated[
        int, Field(ge=1, le=LARGEST_ID, description="It stops when so many failed in a row."), WHOLE
    ] = _USUAL.max_consecutive_failures

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "min_sample" in self.model_fields_set and self.min_sample > self.window:
            message = f"must be at most window, which is {self.window}"
            raise FaultsFound([Fault("/min_sample", "out_of_range", message)])
        return self

    def policy(self) -> FailurePolicy:
        """The same for the operations. The usual `min_sample` gives way to a small `window`."""
        return FailurePolicy(**dict(self) | {"min_sample": min(self.min_sample, self.window)})


def wanted_policy(sent: SetFailurePolicy | None) -> FailurePolicy:
    """What was sent; without anything the usual one, which is on."""
    return _USUAL if sent is None else sent.policy()


class FailurePolicyAnswer(Answer):
    """When it stops by itself because too much fails."""

    enabled: bool = Field(description="Whether it stops at all.", examples=[True])
    max_failure_ratio: float
    window: int
    min_sample: int
    max_consecutive_failures: int

    @classmethod
    def of(cls, policy: FailurePolicy | None) -> Self | None:
        """None: it has none, and stops at no failure."""
        if policy is None:
            return None
        return cls(
            enabled=policy.enabled,
            max_failure_ratio=policy.max_failure_ratio,
            window=policy.window,
            min_sample=policy.min_sample,
            max_consecutive_failures=policy.max_consecutive_failures,
        )


class SetSlowDown(Body):
    """Fewer at once while the target is slow, one more when it has been quick for a while; never above `max_in_flight`,
    never below 1, and nothing is held by it. 429, resets and time limits count as slow."""

    latency_ms: float = Field(gt=0, le=86_400_000, description="Above so many milliseconds it is halved.")
    of: Percentile = Field("p90", description="Of which share of the tries.")
    over: Annotated[int, Field(ge=1, le=1000, description="So many tries are looked at."), WHOLE] = 20


def wanted_slow_down(sent: SetSlowDown | None) -> SlowDown | None:
    """The same for the operations."""
    return None if sent is None else SlowDown(sent.latency_ms, sent.of, sent.over)


class SlowDownAnswer(Answer):
    """How it follows the target's latency."""

    latency_ms: float = Field(description="Above so many milliseconds it is halved.", examples=[500])
    of: Percentile = Field(description="Of which share of the tries.", examples=["p90"])
    over: int = Field(description="So many tries are looked at.", examples=[20])

    @classmethod
    def of_setting(cls, setting: SlowDown | None) -> Self | None:
        """None: it does not."""
        if setting is None:
            return None
        return cls(latency_ms=setting.latency_ms, of=setting.of, over=setting.over)


class LimitAnswer(Answer):
    """Something that bounds the speed."""

    what: str = Field(
        description="`max_in_flight`; `max_in_flight_total`, of the daemon that runs it, where that is this one;"
        " `recovering`: items that are repeated first; `starts_per_minute`; `target_starts_per_minute`, the budget of"
        " its target; `requests_per_hour` and `requests_per_minute`, of a connection that it reads from or writes to;"
        " `max_credits`; `slow_down`.",
        examples=["max_in_flight"],
    )
    value: float = Field(description="So much at most.", examples=[4])
    in_use: float | None = Field(description="So much of it is in use.", examples=[4])
    name: str | None = Field(
        description="Which target or connection, where it is theirs; null for its own.", examples=["crm"]
    )
    items_per_minute: float | None = Field(
        description="What it comes to in the long run, with the others that share it; null where that is not known.",
        examples=[30],
    )

    @classmethod
    def of(cls, limit: Limit) -> Self:
        return cls.model_construct(
            what=limit.what,
            value=limit.value,
            in_use=limit.in_use,
            name=limit.name,
            items_per_minute=None if limit.items_per_minute is None else round(limit.items_per_minute, 3),
        )
