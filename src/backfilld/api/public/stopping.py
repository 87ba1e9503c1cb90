"""Stop-all and start-all over HTTP: for the moment in which nobody has the time to pause one backfill after another."""

from typing import Self

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer, Body, Instant
from backfilld.api.framework.reading.reasons import Reason
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.operations.stopping import Ordered, StopOperations

TAG = "Daemon"


class GiveOrder(Body):
    """Why everything is stopped, or started again."""

    reason: Reason | None = None


class OrderData(Answer):
    """The order that is in force now, for all daemons on the database."""

    stopped: bool = Field(description="true: nothing starts until start-all")
    by: str | None = Field(description="who gave the order; null if there never was one")
    reason: str | None
    since: Instant | None
    message: str

    @classmethod
    def of(cls, ordered: Ordered) -> Self:
        order = ordered.order
        return cls(stopped=order.stopped, by=order.by, reason=order.why, since=order.since, message=ordered.message)


_STOP = (
    "After the answer nothing starts, in any daemon on this database, until start-all; what is in flight finishes."
    " Every backfill keeps its status. 503 `not_confirmed`: the order is stored, but some daemon has not said in 10 s"
    " that it obeys."
)


def routes(operations: StopOperations) -> list[Route]:
    """Whoever may steer may stop everything; to start it again is for administrators."""

    async def stop_all(asked: RequestContext[GiveOrder | None, None]) -> Reply:
        actor = asked.actor
        return Reply(OrderData.of(await operations.stop_all(actor, why=asked.body.reason if asked.body else None)))

    async def start_all(asked: RequestContext[GiveOrder | None, None]) -> Reply:
        actor = asked.actor
        return Reply(OrderData.of(await operations.start_all(actor, why=asked.body.reason if asked.body else None)))

    return [
        Route("POST", "/public-api/stop-all", stop_all, "operator", "Start nothing any more, anywhere", OrderData,
              body=GiveOrder, body_optional=True, tag=TAG, description=_STOP),
        Route("POST", "/public-api/start-all", start_all, "admin", "Take back a stop", OrderData,
              body=GiveOrder, body_optional=True, tag=TAG),
    ]  # fmt: skip
