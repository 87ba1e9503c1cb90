"""HaloPSA as far as we ask it: tokens that end, numbered pages with the number of all, bare lists."""

from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Fake

CLIENT, SECRET, TENANT = "halo-client", "halo-secret-0123456789", "example"


def tickets(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "summary": f"Printer {n} is out of toner",
            "client_id": n % 3,
            "tickettype_id": n % 2,
            "status_id": 2,
            "lastactiondate": "2027-02-28T09:00:00Z",
            "customfields": [{"id": 170, "name": "CFregion", "value": "North"}],
        }
        for n in range(1, count + 1)
    ]


class Halo(Fake):
    """Tickets, the teams, and actions by ticket."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        super().__init__()
        self.records = {one["id"]: one for one in records}
        self.actions: dict[int, list[dict[str, Any]]] = {}
        self.token = ""
        self.tokens = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/auth/token", self.give_token),
            web.get("/api/tickets", self.guarded(self.list)),
            web.get("/api/tickets/{id}", self.guarded(self.one)),
            web.get("/api/team", self.guarded(self.team)),
            web.get("/api/actions", self.guarded(self.children)),
        ]

    def takes_replies(self, asked: Any) -> bool:
        return not asked.path.startswith("/auth")

    def guarded(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return web.Response(status=401)
            return await handler(request)

        return handle

    async def give_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = (request.query.get("tenant"), form.get("client_id"), form.get("scope"), form.get("grant_type"))
        if given != (TENANT, CLIENT, "all", "client_credentials") or form.get("client_secret") != SECRET:
            return web.json_response({"error": "invalid_client"}, status=400)
        self.tokens += 1
        self.token = f"eyJ.made.up.{self.tokens:06}"
        return web.json_response({"access_token": self.token, "token_type": "Bearer", "expires_in": 3600})

    async def list(self, request: web.Request) -> web.Response:
        query = request.query
        if query.get("pageinate") != "true" or query.get("order") != "id":
            self.faults.append("a listing that is not in pages by id")
        found = [self.records[id] for id in sorted(self.records)]
        for parameter, field in (("client_id", "client_id"), ("requesttype_id", "tickettype_id")):
            if parameter in query:
                found = [one for one in found if str(one[field]) == query[parameter]]
        size, number = int(query["page_size"]), int(query["page_no"])
        page = found[(number - 1) * size : number * size]
        return web.json_response({"page_no": number, "record_count": len(found), "tickets": page})

    async def one(self, request: web.Request) -> web.Response:
        record = self.records.get(int(request.match_info["id"]))
        if record is None:
            return web.Response(status=404)
        return web.json_response({**record, "details": "Long text that lists leave out"})

    async def team(self, request: web.Request) -> web.Response:
        return web.json_response([{"id": 1, "name": "1st Line"}, {"id": 2, "name": "2nd Line"}])

    async def children(self, request: web.Request) -> web.Response:
        return web.json_response({"actions": self.actions.get(int(request.query["ticket_id"]), [])})
