"""The routes of the built-in entity store: fill it, look into it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.reasons import Why
from backfilld.api.framework.reading.request_body import content_type
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.api.public.entities.bodies import STALL_SECONDS, rows_of_lines, rows_of_list
from backfilld.api.public.entities.lines import LONGEST_LINE
from backfilld.api.public.entities.schemas import (
    BODIES,
    BudgetAnswer,
    EntityTypeAnswer,
    IndexAnswer,
    ListEntities,
    ManyEntities,
    ManyEntityTypes,
    OneEntity,
    UploadAnswer,
    UploadQuery,
    shown,
)
from backfilld.clock import Clock
from backfilld.operations.entities import Entities, Upload
from backfilld.store.entities.uploads import EntityRow

_UPLOAD = f"""One transaction: everything is stored, or nothing. Removes nothing (but see `replace`). The last of equal
ids wins; an `updated_at` older than the stored one changes nothing; none counts as news.

NDJSON (`application/x-ndjson`) may be of any length, is read as it comes, and is exempt from
`server.max_body_bytes`; a line has at most {LONGEST_LINE} bytes, blank lines are skipped. Faults have the paths
`/LINE/field`, the first line being 1; a line that is not JSON is such a fault, not a 400. In a JSON list they have the
paths `/INDEX/field`, the first entity being 0. Whole numbers must fit 64 bits; others are kept as doubles.

Known fields may come along: a line (or an element of the list) `{{"field_types": {{"priority": "integer"}}}}` says of
any number of fields what the query parameter says of a few. It may stand anywhere, also several times.

`meta.warnings` says, with the first places, how many entities a later one of the same id replaced, how many are older
than what is stored, and which ids begin or end with something invisible, or look as if a spreadsheet had rounded
them."""


def routes(
    entities: Entities, clock: Clock, *, max_body_bytes: int, stall_seconds: float = STALL_SECONDS
) -> list[Route]:
    """All of them. `max_body_bytes` bounds uploads that are JSON lists; one that stalls is given up."""
    handlers = _Handlers(entities, clock, max_body_bytes, stall_seconds)
    one = "/public-api/entities/{entity_type}/{id}"
    many = "/public-api/entities/{entity_type}"
    return [
        Route("PUT", many, handlers.upload, "operator", "Store entities", UploadAnswer,
              query=UploadQuery, raw_body=BODIES, description=_UPLOAD, tag="entities", errors=(404, 408, 409)),
        Route("GET", many, handlers.list, "viewer", "List the entities of a type, by id", ManyEntities,
              query=ListEntities, paged=True, tag="entities", errors=(404, 409)),
        Route("GET", one, handlers.get, "viewer", "Show an entity", OneEntity, tag="entities", errors=(409,)),
        Route("DELETE", one, handlers.delete, "operator", "Remove an entity", None, query=Why,
              status=204, tag="entities", errors=(409,)),
        Route("GET", "/public-api/entity-types", handlers.list_types, "viewer",
              "List the entity types with their sources and known fields", ManyEntityTypes, tag="entities"),
    ]  # fmt: skip


class _Handlers:
    def __init__(self, entities: Entities, clock: Clock, max_body_bytes: int, stall_seconds: float) -> None:
        self._entities = entities
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._stall_seconds = stall_seconds

    async def upload(self, asked: RequestContext[None, UploadQuery]) -> Reply:
        upload = Upload(asked.query.replace, dict(asked.query.field_types))
        done = await self._entities.upload(
            asked.path["entity_type"],
            self._rows(asked, upload),
            upload,
            actor=asked.actor,
        )
        data = asdict(done.counts)
        if not upload.replace:
            del data["removed"]
        return Reply(data, warnings=done.warnings)

    async def list(self, asked: RequestContext[None, ListEntities]) -> Reply:
        entity_type, size = asked.path["entity_type"], asked.query.page_size
        (after,) = asked.query.behind or ("",)
        found = await self._entities.list(entity_type, after=after, limit=size + 1)
        page = found[:size]
        following = encode_cursor(page[-1].id) if len(found) > size else None
        return Reply({"entities": [shown(entity_type, one) for one in page]}, pagination=Pagination(following))

    async def get(self, asked: RequestContext[None, None]) -> Reply:
        entity_type = asked.path["entity_type"]
        entity = await self._entities.get(entity_type, asked.path["id"])
        return Reply({"entity": shown(entity_type, entity)})

    async def delete(self, asked: RequestContext[None, Why]) -> Reply:
        entity_type, id = asked.path["entity_type"], asked.path["id"]
        await self._entities.delete(entity_type, id, actor=asked.actor, why=asked.query.reason)
        return Reply()

    async def list_types(self, asked: RequestContext[None, None]) -> Reply:
        types = [
            EntityTypeAnswer(
                name=type.name,
                source=type.source,
                healthy=type.problem is None,
                problem=type.problem,
                budget=BudgetAnswer.of(type.usage),
                count=type.entities,
                loaded_at=type.loaded_at,
                fields=dict(type.fields),
                fields_configured=dict(type.fields_configured),
                fields_imported=dict(type.fields_imported),
                indexes=[IndexAnswer(**asdict(index)) for index in type.indexes],
            )
            for type in await self._entities.list_types()
        ]
        return Reply(ManyEntityTypes(entity_types=types))

    def _rows(self, asked: RequestContext[None, UploadQuery], upload: Upload) -> AsyncIterator[Sequence[EntityRow]]:
        if content_type(asked.http) == "application/json":
            return rows_of_list(asked.http, upload, self._max_body_bytes, self._clock)
        return rows_of_lines(asked.http, upload, self._clock, stall_seconds=self._stall_seconds)
