"""What happens between a request that found its route and the handler: who asks, may he, what did he send.

The order is the contract's: who (401), how often (429), may he (403), does the path name anything (404), can the body
be read (400, 413, 415), is everything in it right (422, all faults at once).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from backfilld.api.auth.roles import Doorkeeper, require
from backfilld.api.client_addresses import CLIENT_ADDRESS
from backfilld.api.framework.answering.responses import DIGDAG_PREFIX
from backfilld.api.framework.reading import request_body
from backfilld.api.framework.reading.lenient_models import IGNORED_HEADER, AnyQuery, header_value, overlooked
from backfilld.api.framework.reading.validating import validate_body, validate_query
from backfilld.api.framework.router import Match
from backfilld.api.framework.routing import ANYBODY, Reply, RequestContext
from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import Fault, Forbidden, Invalid, RateLimited

ANSWER_HEADERS = web.RequestKey("answer_headers", dict[str, str])


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`bytes` after unzipping, too; `timeout_seconds` for the whole body."""

    bytes: int = 8 * 1024 * 1024
    timeout_seconds: float = request_body.BODY_TIMEOUT_SECONDS


class Endpoint:
    """Takes a matched request to its handler and back."""

    def __init__(self, door: Doorkeeper, limits: BodyLimits) -> None:
        self._door = door
        self._limits = limits

    async def handle(self, match: Match, request: web.Request, request_id: UUID) -> Reply | web.StreamResponse:
        """What the route's handler returns. Raises `BackfilldError`s, its own and the handler's."""
        caller = await self._admit(match, request)
        path = match.path()
        body, query = await self._read(match, request)
        return await match.route.handler(RequestContext(caller, request_id, body, query, path, request))

    async def _admit(self, match: Match, request: web.Request) -> Caller:
        role = match.route.role
        if role is None:
            return ANYBODY
        schemes = ("bearer", "td1") if _is_dialect(request) else ("bearer",)
        header = request.headers.get("Authorization")
        admission = await self._door.identify(header, schemes, request[CLIENT_ADDRESS])
        request[ANSWER_HEADERS].update(admission.quota.headers())
        if admission.quota.exceeded:
            message = f"more than {admission.quota.limit} requests in a minute"
            raise RateLimited(message, retry_after_seconds=admission.quota.reset_seconds)
        require(admission.caller, role)
        if match.route.persons_only and admission.caller.kind == "key":
            raise Forbidden(f"only a person may do this: {match.route.summary}", code="keys_cannot_make_keys")
        return admission.caller

    async def _read(self, match: Match, request: web.Request) -> tuple[BaseModel | None, BaseModel | None]:
        route = match.route
        expected = route.query
        if expected is None and route.path.startswith(DIGDAG_PREFIX):
            expected = AnyQuery
        query, faults = validate_query(expected, request)
        if expected is not None:
            faults += self._overlook(expected, request.query, request, "/query")
        body = None
        if route.raw_body is not None:
            request_body.require_type(request, *route.raw_body)
        elif route.body is not None:
            body, found = await self._read_body(route.body, request, optional=route.body_optional)
            faults = [*found, *faults]
        elif request.can_read_body:
            await self._refuse_body(request)
        if faults:
            raise Invalid(faults)
        return body, query

    async def _read_body(
        self, model: type[BaseModel], request: web.Request, *, optional: bool
    ) -> tuple[BaseModel | None, list[Fault]]:
        raw = await request_body.read_body(request, self._limits.bytes, timeout_seconds=self._limits.timeout_seconds)
        if not raw and optional:
            return None, []
        request_body.require_type(request, "application/json")
        document, text, faults = await request_body.read_json(raw, last_wins=_is_dialect(request))
        request_body.require_object(document)
        body, found = validate_body(model, document, text)
        return body, [*faults, *found, *self._overlook(model, document, request)]

    def _overlook(self, model: type[BaseModel], names: Any, request: web.Request, prefix: str = "") -> list[Fault]:
        """Name what the model ignores in the answer; faults for what is nearly known."""
        found = overlooked(model, names if isinstance(names, Mapping) else (), prefix)
        if found.ignored:
            headers = request[ANSWER_HEADERS]
            known = [headers[IGNORED_HEADER]] if IGNORED_HEADER in headers else []
            headers[IGNORED_HEADER] = ", ".join([*known, header_value(found.ignored)])
        return list(found.faults)

    async def _refuse_body(self, request: web.Request) -> None:
        # `{}` says nothing, and some clients cannot help sending it; anything else would be ignored, which we never do.
        raw = await request_body.read_body(request, self._limits.bytes, timeout_seconds=self._limits.timeout_seconds)
        if raw.strip() in (b"", b"{}"):
            return
        document: Any = (await request_body.read_json(raw, last_wins=_is_dialect(request)))[0]
        names = document if isinstance(document, dict) else ()
        faults = [Fault(f"/{name}", "unknown_field", "this route takes no body") for name in names]
        raise Invalid(faults or [Fault("", "unexpected_body", "this route takes no body")])


def _is_dialect(request: web.Request) -> bool:
    return request.path.startswith(DIGDAG_PREFIX)
