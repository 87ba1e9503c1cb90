"""What a route is, what its handler is given, and what it gives back.

Every module under `api/` offers `routes(…) -> list[Route]`. The server and the OpenAPI document are both made from
that one list, so a route that is not described cannot be reached, and one that is described is checked as described.
A handler decodes nothing and encodes nothing: it receives an `Asked` whose parts are valid, calls one operation and
returns a `Reply`. Errors are raised (`domain.errors`), never returned.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from backfilld.api.framework.reading.fields import FaultsFound as FaultsFound
from backfilld.domain.access.callers import Actor, Caller, Role

B = TypeVar("B")
Q = TypeVar("Q")

ANYBODY = Caller("anybody", "anybody", "viewer", "system")  # the caller of a route that asks for no role


@dataclass(frozen=True, slots=True)
class RequestContext(Generic[B, Q]):
    """A request that passed: the caller may do this, and everything he sent is valid.

    `body` and `query` are instances of the route's models (None where it has none, or where an optional body was left
    out); `path` holds the placeholders, converted to the route's `path_types`. `http` is for headers, and for routes
    that read their body themselves.
    """

    caller: Caller
    request_id: UUID
    body: B
    query: Q
    path: Mapping[str, Any]
    http: web.Request

    @property
    def actor(self) -> Actor:
        """The caller under this request, as changes are written down."""
        return Actor(self.caller, self.request_id)


@dataclass(frozen=True, slots=True)
class Pagination:
    """`next_cursor` comes from `cursors.encode_cursor`, and is None on the last page."""

    next_cursor: str | None = None

    @property
    def has_more(self) -> bool:
        return self.next_cursor is not None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `data` goes into the envelope as it is; `status` None means the route's; a 204 has no `data`.

    `timings_ms` adds to `meta.timings_ms` (the total is always there), `meta` to `meta`.
    """

    data: BaseModel | Mapping[str, Any] | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    pagination: Pagination = Pagination(None)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[RequestContext[Any, Any]], Awaitable[Reply | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    `path` is whole, with `{name}` placeholders (`{name:.+}` is not for documents: use `{name}`); `path_types` maps a
    placeholder to `UUID` or `int` (positive, 64 bits), the others are `str`; malformed ones are answered 404.
    `role` None opens the route to everybody, without a rate limit.
    `persons_only`: an API key is refused with 403 `keys_cannot_make_keys`, whatever its role.
    `answer` is the model of `data`; None for a 204, or where `streams`, whose handler returns a `web.StreamResponse`.
    `raw_body` names the content types that the handler reads from `asked.http` itself, with `api.reading`; each with
    the JSON Schema that the document shows. `headers` are request headers to be documented: name → description.
    `same_shape` lists statuses besides `status` that carry `answer`, too.
    `errors` lists statuses beyond those that every route has (400, 401, 403, 404, 413, 415, 422, 429, 500, 503
    are added where they can occur).
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    role: Role | None
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    path_types: Mapping[str, type] = field(default_factory=dict)
    status: int = 200
    errors: tuple[int, ...] = ()
    same_shape: tuple[int, ...] = ()
    body_optional: bool = False
    streams: bool = False
    paged: bool = False
    raw_body: Mapping[str, Mapping[str, Any]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    tag: str = ""
    persons_only: bool = False
    content_type: str = "application/json"  # of the answer
    other_content_types: tuple[str, ...] = ()  # if the request asks for them
    other_answer: type[BaseModel] | None = None  # with 200, if the request asks for it
    hidden: bool = False  # not in the document (pages for people)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in the path, in its order."""
        return tuple(part.partition("}")[0] for part in self.path.split("{")[1:])
