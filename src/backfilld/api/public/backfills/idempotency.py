"""The header `Idempotency-Key`, and answers that are given again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from backfilld.api.framework.routing import Reply
from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import Fault, Invalid
from backfilld.operations.backfills.idempotency import AlreadyAnswered, Idempotency, Keyed, hash_of
from backfilld.store.admin.idempotency import Key, Remembered

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
LONGEST_KEY = 255
DESCRIBED = {HEADER: f"At most {LONGEST_KEY} printable characters. A repeat within 24 hours is answered as the first."}


def keyed_of(request: web.Request, caller: Caller, route: str, body: Any) -> Keyed | None:
    """The request under its key; None if it has none. Invalid for a key that is none."""
    given = request.headers.getall(HEADER, [])
    if not given:
        return None
    text = given[0]
    if len(given) > 1 or not 0 < len(text) <= LONGEST_KEY or not text.isprintable():
        message = f"must be given once, with 1 to {LONGEST_KEY} printable characters"
        raise Invalid([Fault(f"/headers/{HEADER}", "invalid_idempotency_key", message)])
    return keyed_by(text, caller, route, body)


def keyed_by(text: str, caller: Caller, route: str, body: Any) -> Keyed:
    """The same under a key that somebody else has checked."""
    return Keyed(Key(caller.identity, route, text), hash_of(body))


async def once(idempotency: Idempotency, keyed: Keyed | None, do: Callable[[], Awaitable[Reply]]) -> Reply:
    """What `do` replies; or what it replied when the same was asked before, without doing it again."""
    with idempotency.under_way(keyed):
        try:
            if (remembered := await idempotency.find(keyed)) is None:
                return await do()
        except AlreadyAnswered as elsewhere:
            remembered = elsewhere.remembered
    return _again(remembered)


def to_keep(data: Mapping[str, Any], location: str, warnings: tuple[str, ...]) -> Mapping[str, Any]:
    """What is stored of an answer; `once` makes a reply of it."""
    return {"data": data, "location": location, "warnings": list(warnings)}


def _again(remembered: Remembered) -> Reply:
    kept = remembered.answer
    headers = {"Location": kept["location"], REPLAYED: "true"}
    return Reply(kept["data"], status=remembered.status, headers=headers, warnings=kept["warnings"])
