"""ConnectWise PSA as far as we ask it: conditions, forward-only pages with an empty Link, and a route without Link."""

import base64
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Asked, Fake

COMPANY, PUBLIC, PRIVATE, CLIENT = "example", "public-key", "private-key-0123456789", "client-id-of-the-integration"
PREFIX = "/v4_6_release/apis/3.0"
WITHOUT_LINK = ("/time/workRoles",)
LONGEST_URL = 2_100
_TOKEN = re.compile(r'\s*("(?:[^"])*"|\[[^\]]*\]|[()]|[<>!=]+|,|[A-Za-z_/]+|-?\d+(?:\.\d+)?)')


def tickets(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": n + 1,
            "summary": f"Printer {n} is out of toner",
            "status": {"id": 16 if n % 2 else 5, "name": "New" if n % 2 else "Done"},
            "company": {"id": n % 3, "_info": {"company_href": "https://x"}} if n % 4 else None,
            "closedFlag": n % 5 == 0,
            "customFields": [{"id": 5, "caption": "Region", "value": "North"}],
            "_info": {"lastUpdated": "2027-02-28T09:00:00Z", "board_href": "https://x"},
        }
        for n in range(count)
    ]


class ConnectWise(Fake):
    """Records by route; children by parent under `children`."""

    def __init__(self, **routes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.records = {f"/{name.replace('__', '/')}": records for name, records in routes.items()}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", f"{PREFIX}/{{rest:.*}}", self.answer),
            web.get("/login/companyinfo/{company}", self.info),
        ]

    def endpoint(self, asked: Asked) -> str:
        return asked.path

    async def info(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            self.faults.append("credentials were sent to companyinfo")
        return web.json_response({"Codebase": "v2027_1/"})

    async def answer(self, request: web.Request) -> web.Response:
        if len(str(request.url)) > LONGEST_URL:
            self.faults.append(f"a URL of {len(str(request.url))} characters")
        pair = base64.b64encode(f"{COMPANY}+{PUBLIC}:{PRIVATE}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}" or request.headers.get("clientId") != CLIENT:
            return web.json_response({"code": "Unauthorized", "message": "Cannot route."}, status=401)
        path, query = "/" + request.match_info["rest"], request.query
        conditions = query.get("conditions", "")
        if path.endswith("/search"):
            path, conditions = path.removesuffix("/search"), (await request.json())["conditions"]
        if request.method == "PATCH":
            return await self.patch(request, path)
        is_count, path = path.endswith("/count"), path.removesuffix("/count")
        if path not in self.records:
            return web.json_response({"code": "NotFound", "message": "not found"}, status=404)
        try:
            matches = parsed(conditions)
            found = [one for one in self.records[path] if matches(one)]
        except (LookupError, ValueError) as problem:
            self.faults.append(f"conditions that cannot be read: {problem!r} in {conditions}")
            return web.json_response({"code": "InvalidObject", "message": "conditions is invalid"}, status=400)
        if is_count:
            return web.json_response({"count": len(found)})
        size = int(query.get("pageSize", 25))
        if request.headers.get("pagination-type") != "forward-only" or path in WITHOUT_LINK:
            return web.json_response(found[:size])
        behind = [one for one in found if one["id"] > int(query.get("pageId", 0))]
        page = behind[:size]
        link = f'<https://x/?pageId={page[-1]["id"]}>; rel="next"' if len(behind) > size else ""
        return web.json_response(page, headers={"Link": link})

    async def patch(self, request: web.Request, path: str) -> web.Response:
        """JSON Patch, as their documentation shows it."""
        route, _, id = path.rpartition("/")
        record = next((one for one in self.records.get(route, ()) if str(one["id"]) == id), None)
        if record is None:
            return web.json_response({"code": "NotFound", "message": "not found"}, status=404)
        await patched(request, record)
        return web.json_response(record)


async def patched(request: web.Request, record: dict[str, Any]) -> None:
    for change in await request.json():
        holder = record
        *way, last = change["path"].strip("/").split("/")
        for name in way:
            holder = holder[name]
        holder[last] = change["value"]


def parsed(text: str) -> Callable[[dict[str, Any]], bool]:
    """What conditions mean. ValueError for what makes no sense."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens).replace(" ", "") != text.replace(" ", ""):
        raise ValueError(text)
    place = 0

    def peek() -> str:
        return tokens[place] if place < len(tokens) else ""

    def take() -> str:
        nonlocal place
        place += 1
        return tokens[place - 1]

    def either() -> Callable[..., bool]:
        parts = [all_of()]
        while peek() == "or":
            take()
            parts.append(all_of())
        return lambda record: any(part(record) for part in parts)

    def all_of() -> Callable[..., bool]:
        parts = [one()]
        while peek() == "and":
            take()
            parts.append(one())
        return lambda record: all(part(record) for part in parts)

    def one() -> Callable[..., bool]:
        if peek() == "(":
            take()
            inner = either()
            if take() != ")":
                raise ValueError(text)
            return inner
        field, op = take().split("/"), take()
        if op == "in":
            values = []
            if take() != "(":
                raise ValueError(text)
            while (token := take()) != ")":
                if token != ",":
                    values.append(value_of(token))
            return lambda record: found(record, field) is not None and folded(found(record, field)) in values
        value = value_of(take())
        return lambda record: compared(folded(found(record, field)), op, value)

    if not text:
        return lambda record: True
    matches = either()
    if place < len(tokens):
        raise ValueError(text)
    return matches


def found(record: dict[str, Any], path: list[str]) -> Any:
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None  # type: ignore[assignment]
    return record


def value_of(token: str) -> Any:
    if token[0] in '"[':
        return token[1:-1].lower()
    return {"true": True, "false": False, "null": None}[token] if token[0].isalpha() else float(token)


def folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def compared(value: Any, op: str, wanted: Any) -> bool:
    """As SQL Server compares: null is equal to `= null` alone."""
    if wanted is None:
        return (value is None) == {"=": True, "!=": False}[op]
    if value is None:
        return False
    if op == "like":
        pattern = ".*".join(re.escape(part) for part in wanted.split("%"))
        return isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None
    return {
        "=": value == wanted, "!=": value != wanted, "<": value < wanted, "<=": value <= wanted,
        ">": value > wanted, ">=": value >= wanted,
    }[op]  # fmt: skip
