"""The Kubernetes API, as far as Jobs are made, looked at and deleted.

As its documents have it: names are DNS labels of at most 63 characters, else 422; 409 with a `Status` whose `status` is
"Failure" for a Job that there is; since 1.31 a Job that succeeds has the condition SuccessCriteriaMet before Complete,
and one that fails FailureTarget before Failed; DELETE answers 200 with a `Status`.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.fake_psa.serving import Asked, Fake

TOKEN = "Bearer k8s-projected-token"
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
CONDITIONS = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}
JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"


def status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return web.json_response({**body, "code": code}, status=code)


@dataclass
class Kubernetes(Fake):
    """`ends`: what becomes of the Jobs, in the order of their making, when looked at for the `looks`th time."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    deleted: list[tuple[str, str | None]] = field(default_factory=list)
    ends: list[str] = field(default_factory=lambda: ["Complete"])
    looks: int = 2

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(JOBS, self._create),
            web.get(JOBS + "/{name}", self._get),
            web.delete(JOBS + "/{name}", self._delete),
        ]

    def takes_replies(self, asked: Asked) -> bool:
        return asked.method == "POST"

    async def _create(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != TOKEN:
            return status(401, "Unauthorized", "Unauthorized")
        job = await request.json()
        name = job["metadata"]["name"]
        if not LABEL.fullmatch(name):
            return status(422, "Invalid", f'Job.batch "{name}" is invalid: metadata.name')
        if any(not isinstance(one["value"], str) for one in job["spec"]["template"]["spec"]["containers"][0]["env"]):
            return status(400, "BadRequest", "env.value: expected string")
        if name in self.jobs:
            return status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        self.starts.append(name)
        self.left[name] = self.looks
        self.jobs[name] = {**job, "status": {}}
        return web.json_response(self.jobs[name], status=201)

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.jobs:
            return status(404, "NotFound", f'jobs.batch "{name}" not found')
        self.left[name] -= 1
        job, end = self.jobs[name], self.ends[min(self.starts.index(name), len(self.ends) - 1)]
        if self.left[name] <= 0:
            told = {"status": "True", "message": "the pods said so"}
            job["status"] = {"conditions": [{"type": CONDITIONS[end], **told}, {"type": end, **told}]}
        else:
            job["status"] = {"active": 1, "ready": 1}
        return web.json_response(job)

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self.jobs.pop(name, None) is None:
            return status(404, "NotFound", f'jobs.batch "{name}" not found')
        self.deleted.append((name, request.query.get("propagationPolicy")))
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})
