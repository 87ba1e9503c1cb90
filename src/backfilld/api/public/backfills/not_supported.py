"""What the contract promises and this version does not do yet.

A caller is told so, instead of being left to wonder whether he mistyped a path. Who is asking is checked first, as
everywhere; the handlers are never called.
"""

from typing import Literal, NoReturn
from uuid import UUID

from backfilld.api.framework.routing import RequestContext, Route
from backfilld.domain.callers import Role

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_Listed = tuple[Method, str, Role, str]

_BACKFILL = "/public-api/backfills/{id}"
PUBLIC: tuple[_Listed, ...] = (("GET", _BACKFILL + "/report", "viewer", "The ledger as CSV or JSON lines"),)


async def _never(_: RequestContext[None, None]) -> NoReturn:
    raise NotImplementedError


def routes(implemented: tuple[tuple[str, str], ...] = ()) -> list[Route]:
    """All of them but those (method, path) that somebody else serves by now."""
    return [
        Route(
            method, path, _never, role, summary, None, tag="Not yet", supported=False,
            path_types={"id": UUID},
        )
        for method, path, role, summary in PUBLIC
        if (method, path) not in implemented
    ]  # fmt: skip
