"""Whoever asks a real daemon everything that its document has routes for."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.database import scratch_folder
from tests.support.logging_target import LoggingTarget
from tests.support.project_archives import packed

ZONES = ("Asia/Tokyo", "America/Los_Angeles", "Pacific/Apia")
NAMES = {
    "entity_type": "ticket",
    "type": "ticket",
    "name": "t0",
    "key": "token",
    "entity_id": "T1",
    "page": "operations",
}
GZIP = {"Content-Type": "application/gzip"}


class Asker:
    """Asks a daemon as an admin; whatever is a 500 anywhere, is told."""

    def __init__(self, daemon: DaemonProcess, session: aiohttp.ClientSession) -> None:
        self.daemon = daemon
        self._session = session
        self.ids: dict[str, str] = {}
        self.document: dict[str, Any] = {}

    async def __call__(self, method: str, path: str, **sent: Any) -> tuple[int, Any]:
        async with self._session.request(method, path, **sent) as answer:
            text = (await answer.read()).decode(errors="replace")
        assert answer.status < 500, f"{method} {path} {sent}: {answer.status} {text}\n{self.daemon.tail()}"

        return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def prepare(self) -> None:
        """One thing of each kind, so that paths lead somewhere."""
        self.document = (await self("GET", "/openapi.json"))[1]
        files = {
            f"t{number}.dig": f"timezone: {zone}\nschedule:\n  daily>: 07:00:00\n+t: {{echo>: x}}\n"
            for number, zone in enumerate(ZONES)
        }
        query = {"project": "ends", "revision": "1"}
        status, project = await self("PUT", "/api/projects", params=query, data=packed(files), headers=GZIP)
        assert 200 == status, project

        schedules = (await self("GET", "/api/schedules"))[1]["schedules"]
        found = (await self("GET", f"/api/projects/{project['id']}/workflows"))[1]["workflows"]
        self.workflows = [one["id"] for one in found]
        self.ids = {
            "projects": project["id"], "schedules": schedules[0]["id"], "workflows": found[0]["id"],
            "sessions": "1", "attempts": "1", "logs": "1", "backfills": await self.daemon.create(),
        }  # fmt: skip

    def filled(self, path: str) -> str:
        """The path with ids of things that there are."""
        parts = path.split("/")
        kind = parts[2] if len(parts) > 2 else ""
        given = NAMES | {"id": self.ids.get(kind, "1")}
        return "/".join(given.get(part[1:-1], "1") if part.startswith("{") else part for part in parts)

    async def lists(self) -> None:
        """Every GET of the document that needs no more than we have, answers."""
        for path, operations in self.document["paths"].items():
            if "get" in operations and not path.endswith("/events") and "truncated" not in path:
                status, answer = await self("GET", self.filled(path))
                assert status == 200 or "{" in path or status in (204,), f"{path}: {status} {answer}"


@asynccontextmanager
async def asker(dsn: str, **engine: Any) -> AsyncIterator[Asker]:
    """One that asks a daemon of its own, in which there is one thing of each kind."""
    with scratch_folder() as folder:
        async with (
            LoggingTarget() as target,
            daemon_process(folder / "daemon", Plan(target.url, dsn, engine=engine)) as daemon,
        ):
            await daemon.make_key("admin")
            await daemon.start()
            await daemon.upload(["T1", "T2"])
            headers = {"Authorization": f"Bearer {daemon.api_key}"}
            async with aiohttp.ClientSession(daemon.url, headers=headers) as session:
                ask = Asker(daemon, session)
                await ask.prepare()
                yield ask
