"""The ledger of a backfill over HTTP: every planned entity, and what became of it."""

from operator import attrgetter
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.answering.responses import encode
from backfilld.api.framework.answering.rows import must_be_read, rows, shown
from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.fields import Answer, Instant
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.api.public.backfills.answers import number
from backfilld.api.public.backfills.bodies import LedgerStatus
from backfilld.api.public.backfills.queries import ListLedger
from backfilld.operations.backfills.ledger import LedgerReading
from backfilld.store.ledger.entries import LedgerEntry, OtherEntry, TryEntry

PATH = "/public-api/backfills/{id}/entities"
TAG = "Ledger"


class EntryAnswer(Answer):
    """A planned entity and what is known of it."""

    entity_id: str
    position: int = Field(description="Its place in the plan, from 0.")
    status: LedgerStatus
    attempts: int = Field(description="Tries so far, with the one that is under way.")
    started_at: Instant | None
    finished_at: Instant | None
    duration_ms: int | None
    message: str | None = Field(description="As the target said it.")
    result: Any = Field(description="As the target gave it.")
    error_class: str | None
    error: str | None
    http_status: int | None
    skip_reason: str | None
    credits: float | None
    next_attempt_at: Instant | None = Field(description="When it is tried again, while it is retrying.")
    unusually_long: bool | None = Field(
        description="While it is in flight: whether it has taken more than a second, and more than three times as long"
        " as 19 of 20 items of late; null: it is not in flight, or too few have ended to tell.",
        examples=[False],
    )

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        return cls.model_construct(**_fields(entry))


_NAMES = tuple(EntryAnswer.model_fields)
_VALUES = attrgetter(*_NAMES)


def _fields(entry: LedgerEntry) -> dict[str, Any]:
    values = dict(zip(_NAMES, _VALUES(entry), strict=True))
    values["credits"] = number(entry.credits)
    return values


def entry_line(entry: LedgerEntry) -> bytes:
    """An entry as one line of JSON, the same as the answer has; for those who write a million of them."""
    try:
        must_be_read(entry)
        return encode(_fields(entry)) + b"\n"
    except Exception:  # with what can be read of it
        return encode(shown(EntryAnswer, entry)) + b"\n"


class TryAnswer(Answer):
    """One execution; `error_class` is null for one that went well."""

    attempt: int
    started_at: Instant | None
    finished_at: Instant | None
    error_class: str | None
    error: str | None
    http_status: int | None

    @classmethod
    def of(cls, one: TryEntry) -> Self:
        return cls(**{name: getattr(one, name) for name in TryAnswer.model_fields})


class OtherEntryAnswer(Answer):
    """The same entity in another backfill of the same workflow."""

    backfill_id: UUID
    name: str | None
    created_at: Instant
    status: LedgerStatus = Field(description="What is under way there is pending.")
    finished_at: Instant | None
    error_class: str | None

    @classmethod
    def of(cls, one: OtherEntry) -> Self:
        return cls(**{name: getattr(one, name) for name in OtherEntryAnswer.model_fields})


class WholeEntryAnswer(EntryAnswer):
    """A planned entity with every try that has ended."""

    tries: list[TryAnswer]
    elsewhere: list[OtherEntryAnswer] = Field(
        description="The entity in other backfills of the workflow, newest first."
    )

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        others = rows(OtherEntryAnswer, entry.elsewhere)
        return cls.model_construct(**_fields(entry), tries=rows(TryAnswer, entry.tries), elsewhere=others)


class EntriesData(Answer):
    entities: list[EntryAnswer]


class EntryData(Answer):
    entity: WholeEntryAnswer


class LedgerRoutes:
    """The handlers."""

    def __init__(self, ledger: LedgerReading) -> None:
        self._ledger = ledger

    async def list(self, asked: RequestContext[None, ListLedger]) -> Reply:
        query = asked.query
        (behind,) = query.behind or (-1,)
        found = await self._ledger.list_page(
            asked.path["id"],
            statuses=query.status,
            error_class=query.error_class,
            error_group=None if query.error_group is None else bytes.fromhex(query.error_group),
            entity_id=query.entity_id,
            behind=max(-1, min(behind, 2**31 - 1)),
            limit=query.page_size + 1,
        )
        page = found[: query.page_size]
        following = encode_cursor(page[-1].position) if len(found) > len(page) else None
        data = EntriesData.model_construct(entities=rows(EntryAnswer, page))
        return Reply(data, pagination=Pagination(following))

    async def get(self, asked: RequestContext[None, None]) -> Reply:
        entry = await self._ledger.get(asked.path["id"], asked.path["entity_id"])
        return Reply(EntryData.model_construct(entity=shown(WholeEntryAnswer, entry)))


def routes(ledger: LedgerReading) -> list[Route]:
    does = LedgerRoutes(ledger)
    ids = {"id": UUID}
    return [
        Route("GET", PATH, does.list, "viewer", "List the ledger of a backfill, in plan order", EntriesData,
              query=ListLedger, paged=True, path_types=ids, tag=TAG),
        Route("GET", PATH + "/{entity_id}", does.get, "viewer", "Show an entity of a backfill with its tries",
              EntryData, path_types=ids, tag=TAG),
    ]  # fmt: skip
