"""The audit log and the timelines of backfills over HTTP."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from backfilld.api.framework.answering.rows import rows
from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.fields import LARGEST_ID, Answer, Instant, Page
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.operations.auditing import AuditReading
from backfilld.store.admin.audit_pages import AuditEvent, AuditFilter

PATH = "/public-api/audit-log"
TIMELINE = "/public-api/backfills/{id}/timeline"
TAG = "Audit"

Word = Annotated[str, Field(min_length=1, max_length=1000)]


class WantedEvents(Page):
    """Which events; everything given has to hold."""

    who: Word | None = Field(
        None, description="`key:<id>` or the key's name, `entra:<tenant>/<object id>`, `cli` or `system`."
    )
    actor: Word | None = Field(None, description="Another word for `who`.")
    action: Word | None = Field(None, description="`backfill.pause`, or `backfill` for all of that kind.")
    subject: Word | None = Field(None, description="As events name it: `backfill/<id>`, `workflow/<id>`.")
    since: Instant | None = Field(None, description="At or after.")
    until: Instant | None = Field(None, description="Before.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.who is not None and self.actor is not None and self.who != self.actor:
            raise ValueError("`who` and `actor` are the same; give one of them")
        return self

    def wanted(self) -> AuditFilter:
        return AuditFilter(self.who or self.actor, self.action, self.subject, self.since, self.until)


class ListEvents(WantedEvents):
    """Which events; everything given has to hold."""

    key_kinds: ClassVar[tuple[type, ...]] = (datetime, int)


class EventAnswer(Answer):
    """Something that was done."""

    id: int
    at: Instant
    actor: str = Field(description="who did it; `system` is the daemon itself")
    actor_name: str | None = Field(description="the name of the API key, if it was one")
    action: str = Field(
        description="`backfill.pause`; `backfill.status`: the daemon changed the status; `backfill.taken_over`: another"
        " process goes on with it; `backfill.outage`: something came and went"
    )
    subject: str = Field(description="what it was done to")
    backfill_id: UUID | None = Field(description="null if it was done to none, or its rows are gone")
    reason: str | None = Field(description="why")
    old: Any = Field(description="what was before, of what changed")
    new: Any = Field(description="what is since")
    request_id: UUID | None
    began_at: Instant | None = Field(description="of what came and went (`backfill.outage`); null for all else")
    ended_at: Instant | None = Field(description="null: it lasts, or it is no outage")
    probes: int | None = Field(description="how often it was looked at, or came again within a minute")

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        return cls.model_construct(**{name: getattr(event, name) for name in EventAnswer.model_fields})


class EventsData(Answer):
    events: list[EventAnswer]


class AuditRoutes:
    """The handlers."""

    def __init__(self, audit: AuditReading) -> None:
        self._audit = audit

    async def list(self, asked: RequestContext[None, ListEvents]) -> Reply:
        query = asked.query
        before = None if query.behind is None else (query.behind[0], query.behind[1])
        found = await self._audit.list_page(asked.caller, query.wanted(), before=before, limit=query.page_size + 1)
        page = found[: query.page_size]
        following = encode_cursor(page[-1].at, page[-1].id) if len(found) > len(page) else None
        return Reply(_data(page), pagination=Pagination(following))

    async def timeline(self, asked: RequestContext[None, WantedEvents]) -> Reply:
        query = asked.query
        (behind,) = query.behind or (0,)
        behind = max(0, min(behind, LARGEST_ID))
        found = await self._audit.timeline(asked.path["id"], query.wanted(), behind=behind, limit=query.page_size + 1)
        page = found[: query.page_size]
        following = encode_cursor(page[-1].id) if len(found) > len(page) else None
        return Reply(_data(page), pagination=Pagination(following))


def _data(events: list[AuditEvent]) -> EventsData:
    return EventsData.model_construct(events=rows(EventAnswer, events))


_EVERYBODY = """Who did what, when and why, with what changed. What was done to API keys is shown to admins alone. The
daemon's own moves of backfills are in their timelines."""
_ONE = """Everything that people and the daemon did to it, with the orders to stop and start everything, and reruns made
of it. What came and went meanwhile (a target that was away, a limit, retries) is one event with beginning and end."""


def routes(audit: AuditReading) -> list[Route]:
    does = AuditRoutes(audit)
    ids = {"id": UUID}
    return [
        Route("GET", PATH, does.list, "viewer", "List who did what, newest first", EventsData, query=ListEvents,
              paged=True, tag=TAG, description=_EVERYBODY),
        Route("GET", TIMELINE, does.timeline, "viewer", "Tell what happened to a backfill, oldest first", EventsData,
              query=WantedEvents, paged=True, path_types=ids, tag=TAG, description=_ONE),
    ]  # fmt: skip
