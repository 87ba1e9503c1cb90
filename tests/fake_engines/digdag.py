"""A digdag server (0.10.6) as far as schedules are looked at and skipped, and attempts started, waited for and killed.

Where it differs from ours it answers as digdag does: unnamed attempts have `retryAttemptName` null, whatever waits is
`running`, an attempt that there is comes as the body of a 409 without a message, a kill answers the attempt as it was
before, the limit of attempts is a 400, skipping nothing is 409, and it knows neither `skipExisting` nor
`advanceSchedule`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Asked, Fake

DAY = timedelta(days=1)
PROJECT = {"id": "7", "name": "reports"}
TOKEN = "TD1 1/0123456789"


def told(status: int, message: str) -> web.Response:
    return web.json_response({"message": message, "status": status}, status=status)


@dataclass
class Digdag(Fake):
    """One daily workflow at 07:00 UTC that stands at `stands`. `ends`: what becomes of the attempts, in their order,
    when one is looked at for the `looks`th time."""

    stands: datetime = datetime(2027, 3, 1, tzinfo=UTC)
    disabled_at: str | None = None
    workflow_id: str = "51"
    config: dict[str, Any] = field(default_factory=lambda: {"schedule": {"daily>": "07:00:00"}, "+a": {"td>": "a.sql"}})
    attempts: list[dict[str, Any]] = field(default_factory=list)
    ends: list[str] = field(default_factory=lambda: ["success"])
    looks: int = 2
    limit: int = 100
    loses: int = 0  # so many answers to starts never arrive
    killed: list[str] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/version", self._version),
            web.get("/api/projects", self._projects),
            web.get("/api/projects/{id}/schedules", self._schedules),
            web.get("/api/schedules", self._schedules),
            web.get("/api/projects/{id}/workflows", self._workflows),
            web.get("/api/projects/{id}/sessions", self._sessions),
            web.post("/api/schedules/{id}/backfill", self._backfill),
            web.post("/api/schedules/{id}/skip", self._skip),
            web.put("/api/attempts", self._start),
            web.get("/api/attempts", self._attempts),
            web.get("/api/attempts/{id}", self._attempt),
            web.post("/api/attempts/{id}/kill", self._kill),
        ]

    def takes_replies(self, asked: Asked) -> bool:
        return asked.method == "PUT"

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.10.6"})

    async def _projects(self, request: web.Request) -> web.Response:
        return web.json_response({"projects": [PROJECT] if request.query.get("name") == PROJECT["name"] else []})

    def _schedule(self) -> dict[str, Any]:
        run = self.stands + timedelta(hours=7)
        workflow = {"id": self.workflow_id, "name": "daily"}
        return {
            "id": "3", "project": PROJECT, "workflow": workflow, "nextScheduleTime": self.stands.isoformat(),
            "nextRunTime": run.isoformat().replace("+00:00", "Z"), "disabledAt": self.disabled_at,
        }  # fmt: skip

    async def _schedules(self, request: web.Request) -> web.Response:
        shown = request.query.get("workflow", "daily") == "daily"
        return web.json_response({"schedules": [self._schedule()] if shown else []})

    async def _workflows(self, request: web.Request) -> web.Response:
        found = {"id": self.workflow_id, "name": "daily", "project": PROJECT, "revision": "r1", "timezone": "UTC"}
        return web.json_response({"workflows": [{**found, "config": self.config}]})

    async def _sessions(self, request: web.Request) -> web.Response:
        last = {one["sessionTime"]: one for one in self.attempts}
        shown = [
            {"id": str(number), "sessionTime": at, "project": PROJECT, "lastAttempt": attempt}
            for number, (at, attempt) in enumerate(last.items())
        ]
        return web.json_response({"sessions": list(reversed(shown))})

    async def _backfill(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(body.get(key) is None for key in ("fromTime", "dryRun", "attemptName")):
            return told(400, "fromTime, dryRun, attemptName")
        since, at, times = datetime.fromisoformat(body["fromTime"]), self.stands - DAY, []
        while at + timedelta(hours=7) >= since:
            times.insert(0, at)
            at -= DAY
        for at in times[: body.get("count")]:
            if self._find(at.isoformat(), body["attemptName"]) is not None:
                return told(409, f"Session already exists: project id=7 workflow=daily session_time={at}")
        shown = [{"id": "0", "sessionTime": at.isoformat()} for at in times[: body.get("count")]]
        return web.json_response({"id": "3", "project": PROJECT, "attempts": shown})

    async def _skip(self, request: web.Request) -> web.Response:
        body = await request.json()
        to = datetime.fromisoformat(body["nextTime"]) - timedelta(hours=7)
        if to <= self.stands:
            return told(409, "Specified time to skip schedule is already past")
        self.stands = to
        return web.json_response(self._schedule())

    async def _start(self, request: web.Request) -> web.Response:
        body = await request.json()
        if request.headers.get("Authorization") != TOKEN:
            return told(401, "unauthorized")
        if str(body["workflowId"]) != self.workflow_id:
            return told(404, f"Resource does not exist: workflow id={body['workflowId']}")
        at = datetime.fromisoformat(body["sessionTime"]).astimezone(UTC).isoformat()
        name = body.get("retryAttemptName")
        if (there := self._find(at, name)) is not None:
            self._lose(request)
            return web.json_response(self._shown(there), status=409)
        if sum(not one["done"] for one in self.attempts) >= self.limit:
            return told(400, f"Too many attempts running. Limit: {self.limit}, Current: {self.limit}")
        attempt = self.add(at, name, body["params"])
        self._lose(request)
        return web.json_response(self._shown(attempt))

    def add(self, at: str, name: str | None, params: dict[str, Any], *, end: str | None = None) -> dict[str, Any]:
        """An attempt, made by whomever; `end`: it has ended so."""
        number = len(self.attempts)
        attempt = {
            "id": str(number + 1), "index": 1, "project": PROJECT,
            "workflow": {"name": "daily", "id": self.workflow_id},
            "sessionId": at, "sessionUuid": "x", "sessionTime": at, "retryAttemptName": name, "params": params,
            "done": end is not None, "success": end == "success", "cancelRequested": end == "killed",
            "end": self.ends[min(number, len(self.ends) - 1)], "left": self.looks,
        }  # fmt: skip
        self.attempts.append(attempt)
        return attempt

    async def _attempts(self, request: web.Request) -> web.Response:
        for one in self.attempts:
            self._look(one)
        before = int(request.query.get("last_id", 10**9))
        page = [self._shown(one) for one in reversed(self.attempts) if int(one["id"]) < before]
        return web.json_response({"attempts": page[: int(request.query.get("page_size", 100))]})

    async def _attempt(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        if number > len(self.attempts):
            return told(404, f"Resource does not exist: attempt id={number}")
        self._look(self.attempts[number - 1])
        return web.json_response(self._shown(self.attempts[number - 1]))

    async def _kill(self, request: web.Request) -> web.Response:
        attempt = self.attempts[int(request.match_info["id"]) - 1]
        before = self._shown(attempt)
        if attempt["done"]:
            return told(409, "Attempt already killed or finished")
        attempt |= {"cancelRequested": True, "done": True}
        self.killed.append(attempt["id"])
        return web.json_response(before)

    def _look(self, attempt: dict[str, Any]) -> None:
        attempt["left"] -= 1
        if not attempt["done"] and attempt["left"] <= 0:
            attempt |= {"done": True, "success": attempt["end"] == "success"}

    def _find(self, at: str, name: str | None) -> dict[str, Any] | None:
        same = ((one["sessionTime"], one["retryAttemptName"]) == (at, name) for one in self.attempts)
        return next((one for one, is_same in zip(self.attempts, same, strict=True) if is_same), None)

    def _shown(self, attempt: dict[str, Any]) -> dict[str, Any]:
        ended = "success" if attempt["success"] else "killed" if attempt["cancelRequested"] else "error"
        shown = {key: value for key, value in attempt.items() if key not in ("end", "left")}
        return {**shown, "status": ended if attempt["done"] else "running", "createdAt": "2027-03-01T00:00:00Z"}

    def _lose(self, request: web.Request) -> None:
        if self.loses:
            self.loses -= 1
            assert request.transport is not None
            request.transport.abort()
