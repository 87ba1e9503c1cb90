"""Autotask as far as we ask it: filters, pages by id, threads, a rolling hour, zones, and errors behind a 500."""

from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Asked, Fake

USER, CODE, SECRET = "api@example.com", "TRACKING-ID-0123456789", "autotask-secret-0123456789"
PREFIX = "/atservicesrest/v1.0"
MOST = 500
PICK = [{"value": "1", "label": "New"}, {"value": "5", "label": "Complete"}]
FIELDS = [
    ("id", "long"), ("title", "string"), ("status", "integer"), ("priority", "integer"), ("queueID", "integer"),
    ("companyID", "integer"), ("estimatedHours", "decimal"), ("createDate", "datetime"), ("isActive", "boolean"),
    ("description", "string"), ("creatorType", "integer"), ("ticketID", "integer"), ("noteType", "integer"),
    ("lastActivityDate", "datetime"),
]  # fmt: skip
UDFS = [("Region", "string"), ("Seats", "integer")]
TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "beginsWith": str.startswith,
    "endsWith": str.endswith,
}


def tickets(count: int) -> list[dict[str, Any]]:
    """Made-up tickets, some with gaps between their ids."""
    return [
        {
            "id": n + n // 7,
            "title": f"Printer {n} is out of toner",
            "status": 5 if n % 5 == 0 else 1,
            "priority": n % 4 + 1,
            "queueID": None if n % 3 == 0 else 29682833,
            "companyID": n % 4,
            "createDate": f"2027-02-{n % 28 + 1:02}T08:15:30.000Z",
            "lastActivityDate": "2027-02-28T09:00:00.000Z",
            "description": None if n % 2 else "",
            "userDefinedFields": [{"name": "Region", "value": "North"}, {"name": "Seats", "value": None}],
        }
        for n in range(count)
    ]


class Autotask(Fake):
    """Entities by name. `per_hour`: more in any hour are refused; `clock` says what time it is."""

    def __init__(self, **entities: list[dict[str, Any]]) -> None:
        super().__init__()
        self.entities = {name: {one["id"]: one for one in records} for name, records in entities.items()}
        self.zone: str | None = None
        self.threads = 3
        self.per_hour = 10_000
        self.used_by_others = 0
        self.clock: Callable[[], float] = lambda: 0.0
        self.times: deque[float] = deque()
        self.secret = SECRET

    def routes(self) -> list[web.RouteDef]:
        at = f"{PREFIX}/{{entity}}"
        return [
            web.get(f"{PREFIX}/zoneInformation", self.zone_information),
            web.get(f"{PREFIX}/ThresholdInformation", self.guarded(self.threshold)),
            web.post(f"{at}/query", self.guarded(self.query)),
            web.post(f"{at}/query/count", self.guarded(self.count)),
            web.get(f"{at}/entityInformation/fields", self.guarded(self.fields)),
            web.get(f"{at}/entityInformation/userDefinedFields", self.guarded(self.udfs)),
            web.patch(at, self.guarded(self.patch)),
            web.get(f"{at}/{{id}}", self.guarded(self.one)),
        ]

    def endpoint(self, asked: Asked) -> str:
        return asked.path.removeprefix(PREFIX).split("/")[1]

    def takes_replies(self, asked: Asked) -> bool:
        return "ThresholdInformation" not in asked.path

    def guarded(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            given = {name: request.headers.get(name) for name in ("UserName", "ApiIntegrationCode", "Secret")}
            if given != {"UserName": USER, "ApiIntegrationCode": CODE, "Secret": self.secret}:
                return web.json_response(None, status=401)
            if self.at_once[request.path.removeprefix(PREFIX).split("/")[1]] > self.threads:
                return error(429, "Thread Threshold Exceeded: The Autotask API thread threshold has been exceeded.")
            now = self.clock()
            while self.times and self.times[0] <= now - 3600:
                self.times.popleft()
            if len(self.times) >= self.per_hour:
                self.faults.append("the hour was exceeded")
                return error(429, "The request threshold has been exceeded.")
            self.times.append(now)
            return await handler(request)

        return handle

    async def zone_information(self, request: web.Request) -> web.Response:
        if any(name in request.headers for name in ("UserName", "ApiIntegrationCode", "Secret", "Authorization")):
            self.faults.append("credentials were sent to zoneInformation")
        if request.query.get("user") != USER:
            return error(500, "Could not find a zone for the user.")
        return web.json_response({"zoneName": "Test", "url": self.zone or f"{self.url}/atservicesrest/"})

    async def threshold(self, request: web.Request) -> web.Response:
        used = len(self.times) + self.used_by_others
        return web.json_response({"externalRequestThreshold": self.per_hour, "currentTimeframeRequestCount": used})

    async def fields(self, request: web.Request) -> web.Response:
        return web.json_response({"fields": [
            {"name": name, "dataType": kind, "isQueryable": name != "creatorType",
             "picklistValues": PICK if name == "status" else None}
            for name, kind in FIELDS
        ]})  # fmt: skip

    async def udfs(self, request: web.Request) -> web.Response:
        return web.json_response({"fields": [{"name": name, "type": kind} for name, kind in UDFS]})

    async def query(self, request: web.Request) -> web.Response:
        body = await request.json()
        found = self.selected(request, body["filter"])
        if isinstance(found, web.Response):
            return found
        page = found[: min(body["MaxRecords"], MOST)]
        details = {"count": len(page), "requestCount": body["MaxRecords"], "nextPageUrl": None}
        return web.json_response({"items": page, "pageDetails": details})

    async def count(self, request: web.Request) -> web.Response:
        found = self.selected(request, (await request.json())["filter"])
        return found if isinstance(found, web.Response) else web.json_response({"queryCount": len(found)})

    async def one(self, request: web.Request) -> web.Response:
        record = self.entities[request.match_info["entity"]].get(int(request.match_info["id"]))
        return web.json_response({"item": record})

    async def patch(self, request: web.Request) -> web.Response:
        body = await request.json()
        record = self.entities[request.match_info["entity"]].get(body.get("id"))
        if record is None:
            return error(500, "Record not found.")
        record.update(body)
        return web.json_response({"itemId": record["id"]})

    def selected(self, request: web.Request, items: list[dict[str, Any]]) -> list[dict[str, Any]] | web.Response:
        entity = request.match_info["entity"]
        if sum(is_udf(item) for item in items) > 1:
            self.faults.append("more than one user-defined field in a query")
        if entity == "TicketHistory" and [(i["op"], i.get("field")) for i in items] != [("eq", "ticketID")]:
            return error(500, "TicketHistory can only be queried by one ticketID.")
        known = {name for name, _ in FIELDS} - {"creatorType"}
        for item in items:
            if unknown := next((name for name in names_in(item) if name not in known), None):
                return error(500, f"Unable to find {unknown} in the {entity} Entity.")
        records = self.entities.get(entity, {})
        try:
            return [records[id] for id in sorted(records) if all(holds(item, records[id]) for item in items)]
        except KeyError as problem:
            self.faults.append(f"an operator that there is not: {problem}")
            return error(500, "An error occurred.")


def error(status: int, message: str, **headers: str) -> web.Response:
    return web.json_response({"errors": [message]}, status=status, headers=headers)


def is_udf(item: dict[str, Any]) -> bool:
    return bool(item.get("udf")) or any(is_udf(inner) for inner in item.get("items", ()))


def names_in(item: dict[str, Any]) -> list[str]:
    if "items" in item:
        return [name for inner in item["items"] for name in names_in(inner)]
    return [] if item.get("udf") else [item["field"]]


def holds(item: dict[str, Any], record: dict[str, Any]) -> bool:
    """As SQL Server compares: text without case, null equal to nothing and unlike nothing."""
    if item["op"] in ("and", "or"):
        return (all if item["op"] == "and" else any)(holds(inner, record) for inner in item["items"])
    value = record.get(item["field"])
    if item.get("udf"):
        value = next((one["value"] for one in record["userDefinedFields"] if one["name"] == item["field"]), None)
    if item["op"] in ("exist", "notExist"):
        return (value is not None) == (item["op"] == "exist")
    wanted = item["value"]
    if value is None:
        return False
    value, wanted = folded(value), folded(wanted)
    if item["op"] in TEXT:
        return isinstance(value, str) and TEXT[item["op"]](value, wanted)
    if isinstance(wanted, list):
        return (value in wanted) == {"in": True, "notIn": False}[item["op"]]
    if type(value) is not type(wanted) and not (isinstance(value, int | float) and isinstance(wanted, int | float)):
        return False
    return {
        "eq": value == wanted, "noteq": value != wanted, "lt": value < wanted, "lte": value <= wanted,
        "gt": value > wanted, "gte": value >= wanted,
    }[item["op"]]  # fmt: skip


def folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(".000Z", "Z").lower()
    return [folded(one) for one in value] if isinstance(value, list) else value
