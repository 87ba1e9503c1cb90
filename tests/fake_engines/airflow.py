"""Airflow's stable REST API (v2), as far as runs of a DAG are started, looked at and failed.

As its OpenAPI document has it: 409 for a `dag_run_id` that there is, 422 for keys that are not known, 404 for what is
not there; `logical_date` is required and may be null; a bearer token lets one in.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Asked, Fake

TOKEN = "Bearer eyJhbGciOi"
KNOWN = {"dag_run_id", "logical_date", "data_interval_start", "data_interval_end", "run_after", "conf", "note"}
FIT = re.compile(r"[A-Za-z0-9_.~:+-]+")


def problem(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)


@dataclass
class Airflow(Fake):
    """`ends`: what becomes of a run that is looked at for the `looks`th time; each run by its id."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=lambda: ["success"])
    looks: int = 2
    loses: int = 0  # so many answers to starts never arrive

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/v2/dags/{dag}/dagRuns", self._trigger),
            web.get("/api/v2/dags/{dag}/dagRuns/{id}", self._get),
            web.patch("/api/v2/dags/{dag}/dagRuns/{id}", self._patch),
        ]

    def takes_replies(self, asked: Asked) -> bool:
        return asked.method == "POST"

    async def _trigger(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != TOKEN:
            return problem(401, "Invalid authentication token")
        body = await request.json()
        id = body.get("dag_run_id", "")
        if unknown := set(body) - KNOWN:
            return problem(422, f"extra fields: {sorted(unknown)}")
        if "logical_date" not in body or not FIT.fullmatch(id):
            return problem(422, "dag_run_id or logical_date")
        if request.match_info["dag"] != "enrich":
            return problem(404, "The Dag was not found")
        if id in self.runs:
            self._lose(request)
            return problem(409, f"The DagRun with dag_id: `enrich` and dag_run_id: `{id}` already exists")
        end = self.ends[min(len(self.starts), len(self.ends) - 1)]
        self.starts.append(id)
        self.runs[id] = {**body, "dag_id": "enrich", "state": "queued", "end": end, "left": self.looks}
        self._lose(request)
        return self._shown(id)

    def _lose(self, request: web.Request) -> None:
        if self.loses:
            self.loses -= 1
            assert request.transport is not None
            request.transport.abort()

    async def _get(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        if id not in self.runs:
            return problem(404, "The DagRun was not found")
        run = self.runs[id]
        if run["state"] in ("queued", "running"):
            run["left"] -= 1
            run["state"] = "running" if run["left"] else run["end"]
        return self._shown(id)

    async def _patch(self, request: web.Request) -> web.Response:
        id, body = request.match_info["id"], await request.json()
        if id not in self.runs:
            return problem(404, "The DagRun was not found")
        if body.get("state") not in ("queued", "success", "failed"):
            return problem(422, "state")
        self.runs[id]["state"] = body["state"]
        return self._shown(id)

    def _shown(self, id: str) -> web.Response:
        run = {key: value for key, value in self.runs[id].items() if key not in ("end", "left")}
        return web.json_response({**run, "run_type": "manual", "note": run.get("note")})
