"""The targets over HTTP: how each is, as this daemon knows it."""

from typing import Annotated, Literal, Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Body, Instant
from backfilld.api.framework.reading.reasons import Reason
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.engine.starting.targets.budget import TargetBudget
from backfilld.engine.starting.targets.state import TargetState
from backfilld.operations.system.targets import TargetOperations

PATH = "/public-api/targets"
TAG = "Workflows"
_DESCRIPTION = """Those that this daemon has used since it began, by name; another one may know others.
An origin is shared by all that send something there; what is no HTTP target is a workflow's own."""


class TargetBudgetAnswer(Answer):
    """What the configuration gives to the target, shared by all that use it."""

    name: str = Field(description="Its name in the configuration.", examples=["crm"])
    starts_per_minute: float = Field(description="At most so many start a minute.", examples=[60])
    reserve_for_live: float = Field(description="The share that backfills leave to other attempts.", examples=[0.1])
    waiting: int = Field(description="Backfills that wait for their turn.", examples=[2])

    @classmethod
    def of(cls, budget: TargetBudget) -> Self:
        terms = budget.terms
        return cls(
            name=terms.name,
            starts_per_minute=terms.starts_per_minute,
            reserve_for_live=terms.reserve_for_live,
            waiting=budget.waiting,
        )


class RefusedAnswer(Answer):
    """A workflow that the target does not let in."""

    workflow: str = Field(description="Its name.", examples=["sync-to-crm"])
    since: Instant = Field(description="Since when.", examples=["2027-03-14T07:00:00Z"])


class TargetAnswer(Answer):
    """A target."""

    target: str = Field(
        description="Its origin; of what is no HTTP target the workflow.", examples=["https://crm.example"]
    )
    state: Literal["closed", "open", "half_open"] = Field(
        description="Of its breaker. `closed`: it can be reached; `open`: nothing starts; `half_open`: one is tried.",
        examples=["closed"],
    )
    since: Instant | None = Field(
        description="When the outage, or the refusal, began; null if there is none.", examples=["2027-03-14T07:00:00Z"]
    )
    last_error: str | None = Field(
        description="What it last failed with; kept when that is over.", examples=["connection refused"]
    )
    paused_until: Instant | None = Field(
        description="Until when it asked us to wait; null if it does not.", examples=["2027-03-14T07:00:20Z"]
    )
    refuses: list[RefusedAnswer] = Field(description="Workflows that it refuses.")
    workflows: list[str] = Field(description="Which workflows use it.", examples=[["sync-to-crm"]])
    budget: TargetBudgetAnswer | None = Field(description="null: it has none.")

    @classmethod
    def of(cls, state: TargetState) -> Self:
        return cls(
            target=state.target,
            state=state.state,
            since=state.since,
            last_error=state.problem,
            paused_until=state.paused_until,
            refuses=[RefusedAnswer(workflow=name, since=since) for name, since in sorted(state.refuses.items())],
            workflows=list(state.workflows),
            budget=None if state.budget is None else TargetBudgetAnswer.of(state.budget),
        )


class TargetsData(Answer):
    targets: list[TargetAnswer] = Field(description="All of them, by name.")


class AskTarget(Body):
    """Which target, and why."""

    target: Annotated[str, Field(min_length=1, max_length=2_000)] = Field(
        description="Its name as the list of targets has it.", examples=["https://crm.example"]
    )
    reason: Reason | None = None


class AskedData(Answer):
    message: str = Field(description="What came of it.", examples=["it is asked with the next item that is due"])


def routes(operations: TargetOperations) -> list[Route]:
    """Viewers look, operators have them asked."""

    async def list_targets(asked: RequestContext[None, None]) -> Reply:
        return Reply(TargetsData(targets=[TargetAnswer.of(state) for state in operations.list_all()]))

    async def try_now(asked: RequestContext[AskTarget, None]) -> Reply:
        return Reply(
            AskedData(message=await operations.try_now(asked.actor, asked.body.target, why=asked.body.reason)),
            status=202,
        )

    return [
        Route("GET", PATH, list_targets, "viewer", "List the targets and how they are", TargetsData, tag=TAG,
              description=_DESCRIPTION),
        Route("POST", f"{PATH}/try-now", try_now, "operator", "Ask a target again at once", AskedData, body=AskTarget,
              status=202, tag=TAG, errors=(404,),
              description="Of an outage, or of a refusal, the next probe is made now and not at its time."),
    ]  # fmt: skip
