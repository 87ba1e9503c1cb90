"""Who is told what happens, over HTTP: endpoints of the file, what has become of their messages, and two verbs."""

from datetime import datetime
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.fields import Answer, Instant, Page
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.operations.notifications import EndpointNow, NotificationOperations
from backfilld.store.steering.deliveries import Delivery

TAG = "Notifications"


class NotificationAnswer(Answer):
    """An endpoint of the configuration file."""

    name: str = Field(examples=["oncall"])
    format: str = Field(description="standard, slack or teams", examples=["slack"])
    origin: str | None = Field(
        description="where it is, without the rest of its address, which may be a secret; null: its secret is missing",
        examples=["https://hooks.slack.com"],
    )
    events: list[str] | None = Field(description="of what; null: of all", examples=[["stopped", "failed"]])
    workflows: list[str] | None = Field(description="of which; null: of all", examples=[["default/enrich"]])
    enabled: bool = Field(description="false: it answered 410, and wants nothing more until a test arrives")
    off_since: Instant | None = Field(description="since when it wants nothing more; null: it is on")
    pending: int = Field(description="messages on their way", examples=[0])
    dead: int = Field(description="messages that nobody tries to deliver any more", examples=[0])
    last_delivered_at: Instant | None = Field(description="when one arrived last; null: none has")

    @classmethod
    def of(cls, now: EndpointNow) -> Self:
        endpoint, summary = now.endpoint, now.summary
        return cls(
            name=endpoint.name,
            format=endpoint.format,
            origin=endpoint.origin,
            events=None if endpoint.events is None else sorted(endpoint.events),
            workflows=None if endpoint.workflows is None else sorted(endpoint.workflows),
            enabled=now.switch is None,
            off_since=None if now.switch is None else now.switch.off_at,
            pending=summary.pending,
            dead=summary.dead,
            last_delivered_at=summary.last_delivered_at,
        )


class ManyNotifications(Answer):
    """All endpoints, in the order of the file."""

    notifications: list[NotificationAnswer] = Field(description="The endpoints.")


class DeliveryAnswer(Answer):
    """One message for one endpoint."""

    id: UUID = Field(description="in `webhook-id` as msg_<32 hex>; the same in all tries")
    event: str = Field(description="what happened", examples=["stopped"])
    state: Literal["pending", "delivered", "dead"]
    created_at: Instant
    attempts: int = Field(description="tries so far", examples=[1])
    next_attempt_at: Instant | None = Field(description="when it is tried next; null: not any more")
    delivered_at: Instant | None = Field(description="when it arrived; null: it has not")
    dead_at: Instant | None = Field(description="since when nobody tries any more; null: somebody does, or it arrived")
    http_status: int | None = Field(description="of the last answer; null: there was none", examples=[503])
    last_error: str | None = Field(description="what went wrong last; null: nothing", examples=["it answers HTTP 503"])
    message: dict[str, object] = Field(description="what is told, as Standard Webhooks send it")

    @classmethod
    def of(cls, one: Delivery) -> Self:
        state: Literal["pending", "delivered", "dead"] = (
            "delivered" if one.delivered_at is not None else "dead" if one.dead_at is not None else "pending"
        )
        return cls(
            id=one.id,
            event=one.event,
            state=state,
            created_at=one.created_at,
            attempts=one.attempts,
            next_attempt_at=one.next_attempt_at,
            delivered_at=one.delivered_at,
            dead_at=one.dead_at,
            http_status=one.last_status,
            last_error=one.last_error,
            message=dict(one.message),
        )


class ManyDeliveries(Answer):
    """The messages of this page, newest first."""

    deliveries: list[DeliveryAnswer] = Field(description="The messages.")


class ListDeliveries(Page):
    """Which messages."""

    key_kinds: ClassVar[tuple[type, ...]] = (datetime, UUID)

    state: Literal["pending", "delivered", "dead"] | None = Field(None, description="only those; left out: all")


class NotificationTestAnswer(Answer):
    """How the test went."""

    delivered: bool = Field(description="whether it arrived")
    http_status: int | None = Field(description="of the answer; null: there was none", examples=[200])
    error: str | None = Field(description="what went wrong; null: nothing")
    took_ms: float = Field(description="how long it took, in milliseconds", examples=[80.5])


class ResentAnswer(Answer):
    """What is sent again."""

    resent: int = Field(description="how many messages", examples=[1])


def routes(operations: NotificationOperations) -> list[Route]:
    """All of them."""

    async def list_all(_: RequestContext[None, None]) -> Reply:
        found = await operations.list_all()
        return Reply(ManyNotifications(notifications=[NotificationAnswer.of(now) for now in found]))

    async def test(asked: RequestContext[None, None]) -> Reply:
        tried, seconds = await operations.test(asked.actor, asked.path["name"])
        return Reply(
            NotificationTestAnswer(
                delivered=tried.is_done, http_status=tried.status, error=tried.error, took_ms=round(seconds * 1000, 1)
            )
        )

    async def deliveries(asked: RequestContext[None, ListDeliveries]) -> Reply:
        query = asked.query
        before = None if query.behind is None else (query.behind[0], query.behind[1])
        limit = query.page_size + 1
        found = await operations.list_deliveries(asked.path["name"], query.state, before=before, limit=limit)
        page, has_more = found[: query.page_size], len(found) > query.page_size
        cursor = encode_cursor(page[-1].created_at, page[-1].id) if has_more else None
        body = ManyDeliveries(deliveries=[DeliveryAnswer.of(one) for one in page])
        return Reply(body, pagination=Pagination(cursor))

    async def resend(asked: RequestContext[None, None]) -> Reply:
        number = await operations.resend(asked.actor, asked.path["name"], asked.path["id"])
        return Reply(ResentAnswer(resent=number))

    async def resend_dead(asked: RequestContext[None, None]) -> Reply:
        return Reply(ResentAnswer(resent=await operations.resend(asked.actor, asked.path["name"], None)))

    one = "/public-api/notifications/{name}"
    return [
        Route("GET", "/public-api/notifications", list_all, "viewer", "List who is told what happens",
              ManyNotifications, tag=TAG),
        Route("POST", one + "/test", test, "operator", "Send a test", NotificationTestAnswer, tag=TAG,
              description="One that arrives switches an endpoint on again that had answered 410."),
        Route("GET", one + "/deliveries", deliveries, "viewer", "List the messages of an endpoint", ManyDeliveries,
              query=ListDeliveries, paged=True, tag=TAG),
        Route("POST", one + "/deliveries/resend", resend_dead, "admin", "Send every dead message again", ResentAnswer,
              tag=TAG),
        Route("POST", one + "/deliveries/{id}/resend", resend, "admin", "Send a message again", ResentAnswer, tag=TAG,
              path_types={"id": UUID}, errors=(409,)),
    ]  # fmt: skip
