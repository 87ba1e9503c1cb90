"""What attempts printed, as files: one for each try."""

import gzip
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from aiohttp import web

from backfilld.api.digdag import shapes
from backfilld.api.digdag.shapes import Json, Shape
from backfilld.api.framework.reading.fields import InstantShown
from backfilld.api.framework.reading.lenient_models import LenientQuery
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.errors import NotFound
from backfilld.operations.sessions.read import SessionReading
from backfilld.store.sessions.pages import LogFile

TAG = "digdag: logs"
_TRY = re.compile(r"\.([1-9][0-9]{0,4})\.log\.gz$", re.ASCII)


class LogFileShape(Shape):
    file_name: str
    file_size: int
    task_name: str
    file_time: InstantShown
    agent_id: str
    direct: str | None


class LogFilesShape(Shape):
    files: list[LogFileShape]


class LogQuery(LenientQuery):
    """`task` and `direct_download` of digdag's clients change nothing: there is one task, and no other store."""

    task: str | None = None
    direct_download: str | None = None


def _file(task: str, log: LogFile) -> Json:
    """The name tells the try, as the last number in it."""
    name = f"{quote(task, safe='+')}@{log.finished_at:%Y%m%dT%H%M%SZ}.{log.try_}.log.gz"
    return {
        "fileName": name,
        "fileSize": log.size_bytes,
        "taskName": task,
        "fileTime": shapes.instant(log.finished_at),
        "agentId": "backfilld",
        "direct": None,
    }


class LogRoutes:
    """The handlers."""

    def __init__(self, reading: SessionReading) -> None:
        self._reading = reading

    async def list(self, asked: RequestContext[None, LogQuery]) -> Reply:
        attempt, files = await self._reading.logs(asked.path["id"])
        task = await self._reading.task_name(attempt)
        return Reply(shapes.listed("files", [_file(task, file) for file in files]))

    async def read(self, asked: RequestContext[None, LogQuery]) -> web.StreamResponse:
        name = asked.path["name"]
        match = _TRY.search(name)
        if match is None:
            raise NotFound(f"Resource does not exist: log file {name[:200]!r}")
        content = await self._reading.log(asked.path["id"], int(match[1]))
        return web.Response(body=gzip.compress(content.encode()), content_type="application/gzip")


def routes(reading: SessionReading) -> list[Route]:
    """For viewers."""
    does = LogRoutes(reading)
    ids: Mapping[str, type] = {"id": int}
    files = "/api/logs/{id}/files"
    all_routes: list[Any] = [
        Route("GET", files, does.list, "viewer", "List the log files of an attempt", LogFilesShape, query=LogQuery,
              path_types=ids),
        Route("GET", files + "/{name}", does.read, "viewer", "Read a log file of an attempt", None, query=LogQuery,
              path_types=ids, content_type="application/gzip"),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]
