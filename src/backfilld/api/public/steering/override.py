"""Running outside of the windows for a while."""

from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Body, Instant
from backfilld.api.framework.reading.reasons import Reason
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.bodies import SteerBackfill
from backfilld.api.public.backfills.data import SignalData
from backfilld.api.public.backfills.routes import ONE, TAG, signalled
from backfilld.operations.backfill_verbs import BackfillOperations

_OVERRIDE = """Its windows count as open until then, and nothing else does: a pause, stop-all, a target that is away,
budgets and pace still hold. Ends by itself; what is in flight then finishes. Asked again, it is replaced."""


class OverrideWindows(Body):
    """Until when, and why."""

    until: Instant = Field(description="To come, and at most 24 hours ahead.")
    reason: Reason | None = None


class EndOverride(SteerBackfill):
    """Why. May be left out altogether."""


class OverrideRoutes:
    """The handlers."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._overriding = operations.overriding

    async def override(self, asked: RequestContext[OverrideWindows, None]) -> Reply:
        body, id = asked.body, asked.path["id"]
        return signalled(await self._overriding.override(asked.actor, id, body.until, why=body.reason))

    async def end(self, asked: RequestContext[EndOverride | None, None]) -> Reply:
        why = asked.body.reason if asked.body else None
        await self._overriding.end(asked.actor, asked.path["id"], why=why)
        return Reply()


def routes(operations: BackfillOperations) -> list[Route]:
    """Two."""
    does, path, ids = OverrideRoutes(operations), ONE + "/override", {"id": UUID}
    return [
        Route("POST", path, does.override, "operator", "Run outside the windows for a while", SignalData,
              body=OverrideWindows, status=202, path_types=ids, errors=(409,), tag=TAG, description=_OVERRIDE),
        Route("DELETE", path, does.end, "operator", "Run within the windows again", None, body=EndOverride,
              body_optional=True, status=204, path_types=ids, errors=(409,), tag=TAG),
    ]  # fmt: skip
