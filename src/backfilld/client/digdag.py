"""The routes of the digdag dialect as methods: schedules, and what was run of them. Ids are texts in its answers."""

import gzip
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from backfilld.client.answers import Answer, Json
from backfilld.client.transport import Transport, refuse_errors

API = "/api"
PAGE_SIZE = 1_000


class DigdagRoutes:
    """Raises as `Client` does."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    async def get_schedule(self, id: int) -> Answer:
        return await self._get(f"/schedules/{id}")

    async def backfill_schedule(self, id: int, body: Json) -> Answer:
        """`data`: attempts, and backfillId (None if nothing was made)."""
        return await self._post(f"/schedules/{id}/backfill", body)

    async def enable_schedule(self, id: int, body: Json) -> Answer:
        """`data`: the schedule as it stands then; also of the next two."""
        return await self._post(f"/schedules/{id}/enable", body)

    async def disable_schedule(self, id: int, *, reason: str | None = None) -> Answer:
        return await self._post(f"/schedules/{id}/disable", {} if reason is None else {"reason": reason})

    async def skip_schedule(self, id: int, body: Json) -> Answer:
        return await self._post(f"/schedules/{id}/skip", body)

    async def get_session(self, id: int) -> Answer:
        return await self._get(f"/sessions/{id}")

    async def get_attempt(self, id: int) -> Answer:
        return await self._get(f"/attempts/{id}")

    async def start_attempt(self, body: Json) -> Answer:
        """ApiError 409 if the session has an attempt of that name."""
        return await self._http.request("PUT", f"{API}/attempts", body=body)

    async def kill_attempt(self, id: int) -> Answer:
        return await self._post(f"/attempts/{id}/kill", {})

    async def get_workflow(self, id: str) -> Answer:
        """`data`: name, project, revision, timezone, config."""
        return await self._get(f"/workflows/{id}")

    async def session_time(self, workflow_id: int, text: str) -> str:
        """A reading of the workflow's clock as an instant with its offset, whole seconds."""
        found = await self._get(f"/workflows/{workflow_id}/truncated_session_time", session_time=text, mode="second")
        return str(found["sessionTime"])

    async def list_log_files(self, attempt_id: int) -> Answer:
        """`data`: files."""
        return await self._get(f"/logs/{attempt_id}/files")

    async def read_log(self, attempt_id: int, file_name: str) -> str:
        """What a file of `list_log_files` holds."""
        path = f"{API}/logs/{attempt_id}/files/{quote(file_name, safe='')}"
        async with self._http.stream(path) as response:
            await refuse_errors(response)
            return gzip.decompress(await response.read()).decode()

    async def every(self, plural: str, path: str, **query: object) -> AsyncIterator[dict[str, Any]]:
        """Every entry of the list at `path` (below /api), page after page."""
        size = min(int(str(query.pop("page_size", PAGE_SIZE))), PAGE_SIZE)
        last_id: object = None
        while True:
            page = (await self._get(path, **query, last_id=last_id, page_size=size))[plural]
            for entry in page:
                yield entry
            if len(page) < size:
                return
            last_id = page[-1]["id"]

    async def _get(self, path: str, **query: object) -> Answer:
        return await self._http.request("GET", API + path, query=query)

    async def _post(self, path: str, body: Json) -> Answer:
        return await self._http.request("POST", API + path, body=body)
