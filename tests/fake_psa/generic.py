"""An API that pages in every way that there is."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Fake

PAGE = 100


class GenericApi(Fake):
    """Records by id in pages of each kind; /companies/{id}/notes under each."""

    def __init__(self, records: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__()
        self.records = {record["id"]: record for record in records}
        self.notes: dict[Any, list[dict[str, Any]]] = {}
        self.token: str | None = None
        self.tokens_given = 0
        self.most = 10_000

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/keyset", self.keyset),
            web.get("/page", self.page),
            web.get("/offset", self.offset),
            web.get("/cursor", self.cursor),
            web.get("/link", self.link),
            web.get("/next", self.next),
            web.get("/bare", self.bare),
            web.get("/count", self.count),
            web.get("/one/{id}", self.one),
            web.get("/companies/{id}/notes", self.children),
            web.post("/token", self.give_token),
            web.get("/me", self.me),
        ]

    def selected(self, request: web.Request) -> list[dict[str, Any]]:
        """Those that match `status` and `ids`, by id."""
        found = [self.records[id] for id in sorted(self.records)]
        if "status" in request.query:
            wanted = request.query["status"].split(",")
            found = [record for record in found if str(record.get("status")) in wanted]
        if "ids" in request.query:
            wanted = request.query["ids"].split(",")
            found = [record for record in found if str(record["id"]) in wanted]
        return found

    def size(self, request: web.Request) -> int:
        return min(int(request.query.get("limit", PAGE)), self.most)

    async def keyset(self, request: web.Request) -> web.Response:
        found = self.selected(request)
        if "after" in request.query:
            found = [record for record in found if record["id"] > int(request.query["after"])]
        return web.json_response({"data": found[: self.size(request)]})

    async def page(self, request: web.Request) -> web.Response:
        found, size, number = self.selected(request), self.size(request), int(request.query["page"])
        return web.json_response({"data": found[(number - 1) * size : number * size], "total": len(found)})

    async def offset(self, request: web.Request) -> web.Response:
        found, start = self.selected(request), int(request.query["offset"])
        return web.json_response({"data": found[start : start + self.size(request)], "total": len(found)})

    async def cursor(self, request: web.Request) -> web.Response:
        found, start = self.selected(request), int(request.query.get("cursor", "t0")[1:])
        end = start + self.size(request)
        return web.json_response({"data": found[start:end], "meta": {"next": f"t{end}" if end < len(found) else None}})

    async def link(self, request: web.Request) -> web.Response:
        found, start = self.selected(request), int(request.query.get("from", "0"))
        size = self.size(request)
        end = start + size
        following = f'</link?from=0>; rel="first", </link?from={end}&limit={size}>; rel="next"'
        more = {"Link": following} if end < len(found) else {}
        return web.json_response({"data": found[start:end]}, headers=more)

    async def next(self, request: web.Request) -> web.Response:
        found, start = self.selected(request), int(request.query.get("from", "0"))
        size = self.size(request)
        end = start + size
        following = f"{self.url}/next?from={end}&limit={size}" if end < len(found) else None
        return web.json_response({"data": found[start:end], "next": following})

    async def bare(self, request: web.Request) -> web.Response:
        return web.json_response(self.selected(request))

    async def count(self, request: web.Request) -> web.Response:
        return web.json_response({"total": len(self.selected(request))})

    async def one(self, request: web.Request) -> web.Response:
        record = self.records.get(int(request.match_info["id"]))
        return web.json_response(record) if record else web.json_response({"error": "gone"}, status=404)

    async def children(self, request: web.Request) -> web.Response:
        notes = self.notes.get(int(request.match_info["id"]))
        if notes is None:
            return web.json_response({"error": "no such company"}, status=404)
        after = int(request.query.get("after", "-1"))
        return web.json_response({"data": [note for note in notes if note["id"] > after][: self.size(request)]})

    async def give_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("client_secret") != "client-secret-0123456789":
            return web.json_response({"error": "invalid_client"}, status=400)
        self.tokens_given += 1
        self.token = f"token-number-{self.tokens_given:010}"
        return web.json_response({"access_token": self.token, "token_type": "Bearer", "expires_in": 3600})

    async def me(self, request: web.Request) -> web.Response:
        return web.json_response({"name": "backfilld"})
