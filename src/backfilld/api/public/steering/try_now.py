"""Asking at once whether what is waited for is well again."""

from uuid import UUID

from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.bodies import SteerBackfill
from backfilld.api.public.backfills.data import SignalData
from backfilld.api.public.backfills.routes import ONE, TAG, signalled
from backfilld.operations.backfill_verbs import BackfillOperations


class TryNowRoute:
    """The handler."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._trying = operations.trying

    async def try_now(self, asked: RequestContext[SteerBackfill | None, None]) -> Reply:
        why = asked.body.reason if asked.body else None
        return signalled(await self._trying.try_now(asked.actor, asked.path["id"], why=why))


def routes(operations: BackfillOperations) -> list[Route]:
    """One."""
    does = TryNowRoute(operations)
    return [
        Route("POST", ONE + "/try-now", does.try_now, "operator", "Ask a target or source at once", SignalData,
              body=SteerBackfill, body_optional=True, status=202, path_types={"id": UUID}, errors=(409,), tag=TAG,
              description="The next probe is due now. A warning says if there is nothing to ask."),
    ]  # fmt: skip
