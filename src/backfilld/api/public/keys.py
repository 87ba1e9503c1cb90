"""API keys over HTTP: listed and revoked by administrators, made only by people."""

from datetime import datetime
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.answering.rows import rows
from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.fields import Answer, Body, Instant, Page
from backfilld.api.framework.reading.reasons import Why
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.domain.access.callers import Role
from backfilld.domain.access.keys import ApiKey
from backfilld.operations.keys import LONGEST_NAME, KeyOperations

PATH = "/public-api/api-keys"


class KeyAnswer(Answer):
    """A key, without what opens anything."""

    id: UUID
    name: str
    role: Role
    prefix: str = Field(description="the beginning of the key, to tell keys apart")
    created_by: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None = Field(description="to the minute")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(**{name: getattr(key, name) for name in KeyAnswer.model_fields})


class NewKeyAnswer(KeyAnswer):
    """A key that was just made."""

    key: str = Field(description="the key itself, shown this once")


class KeyData(Answer):
    api_key: NewKeyAnswer


class KeysData(Answer):
    api_keys: list[KeyAnswer]


class MakeKey(Body):
    """What a new key shall be."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    role: Role
    expires_at: Instant | None = None


class ListKeys(Page):
    """Newest first."""

    key_kinds: ClassVar[tuple[type, ...]] = (datetime, UUID)


class KeyRoutes:
    """The handlers."""

    def __init__(self, keys: KeyOperations) -> None:
        self._keys = keys

    async def list(self, asked: RequestContext[None, ListKeys]) -> Reply:
        size = asked.query.page_size
        behind = asked.query.behind
        after = None if behind is None else (behind[0], behind[1])
        keys = await self._keys.list(after=after, limit=size + 1)
        shown = keys[:size]
        cursor = None
        if len(keys) > size:
            cursor = encode_cursor(shown[-1].created_at, shown[-1].id)
        return Reply(KeysData.model_construct(api_keys=rows(KeyAnswer, shown)), pagination=Pagination(cursor))

    async def make(self, asked: RequestContext[MakeKey, None]) -> Reply:
        body = asked.body
        new = await self._keys.create(asked.actor, name=body.name, role=body.role, expires_at=body.expires_at)
        shown = NewKeyAnswer(key=new.key, **KeyAnswer.of(new.kept).model_dump())
        return Reply(KeyData(api_key=shown), headers={"Location": f"{PATH}/{new.id}"})

    async def revoke(self, asked: RequestContext[None, Why]) -> Reply:
        await self._keys.revoke(asked.actor, asked.path["id"], why=asked.query.reason)
        return Reply()


def routes(operations: KeyOperations) -> list[Route]:
    """Administrators look and revoke, people make."""
    does = KeyRoutes(operations)
    ids = {"id": UUID}
    return [
        Route("GET", PATH, does.list, "admin", "List API keys", KeysData, query=ListKeys, paged=True, tag="API keys"),
        Route(
            "POST", PATH, does.make, "admin", "Make an API key", KeyData, body=MakeKey, status=201,
            persons_only=True, tag="API keys",
            description="Only for people: a key cannot make keys. Keys are also made by the command line.",
        ),
        Route(
            "DELETE", PATH + "/{id}", does.revoke, "admin", "Revoke an API key", None, query=Why, status=204,
            path_types=ids, tag="API keys",
            description="In force everywhere within a second. Revoking again changes nothing.",
        ),
    ]  # fmt: skip
