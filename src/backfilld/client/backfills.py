"""The routes of backfills and their ledgers."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp

from backfilld.client.answers import Answer, Json
from backfilld.client.calling import PUBLIC, Calling, given, part
from backfilld.client.events import ProgressEvent, follow
from backfilld.client.transport import refuse_errors, unreachable


class BackfillRoutes(Calling):
    """What may be asked of backfills."""

    async def create_backfill(self, body: Json, *, idempotency_key: str | None = None) -> Answer:
        """`data`: backfill, cost_estimate."""
        return await self._post("/backfills", body, idempotency_key)

    async def preview_backfill(self, body: Json, *, wait_seconds: float = 0) -> Answer:
        return await self._post(
            f"/backfills/preview?wait={wait_seconds:g}" if wait_seconds else "/backfills/preview", body
        )

    async def verify_filter(self, entity_type: str, filter_spec: Any, timezone: str | None = None) -> Answer:
        body = {"entity_type": entity_type, "filter_spec": filter_spec}
        return await self._post("/backfills/verify", body if timezone is None else body | {"timezone": timezone})

    async def list_backfills(self, **query: object) -> Answer:
        """One page; `status` may be a list. `data`: backfills, newest first."""
        return await self._get("/backfills", **query)

    async def get_backfill(self, id: str) -> Answer:
        return await self._get(f"/backfills/{part(id)}")

    async def report(self, id: str, **query: object) -> AsyncIterator[bytes]:
        """The ledger as it comes; `format`, `status`, `error_group`. ServerUnreachable if it is cut off."""
        try:
            async with self._http.stream(f"{PUBLIC}/backfills/{part(id)}/report", query=query) as response:
                await refuse_errors(response)
                async for piece in response.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise unreachable(self.url, problem) from problem

    async def get_attributes(self, id: str, entity_id: str) -> Answer:
        """Of an entity of its plan. `data`: attributes, standing (as_sent, as_planned or as_now), read_at."""
        return await self._get(f"/backfills/{part(id)}/entities/{part(entity_id)}/attributes")

    async def list_errors(self, id: str, **query: object) -> Answer:
        """What failed, by what failures have in common; `error_group`. `data`: errors."""
        return await self._get(f"/backfills/{part(id)}/errors", **query)

    async def list_progress(self, id: str, **query: object) -> Answer:
        """How a backfill went; `from`, `to`, `step`. `data`: samples, step."""
        return await self._get(f"/backfills/{part(id)}/progress", **query)

    async def explain_backfill(self, id: str) -> Answer:
        """Why nothing, or not more, is starting. `data`: starting, sentences, blockers, limits, next_start_at."""
        return await self._get(f"/backfills/{part(id)}/explain")

    async def edit_backfill(self, id: str, changes: Json, *, version: int | None = None) -> Answer:
        """Once this has returned, every start obeys. `version`: only if it has that one, else ApiError 412."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return await self._http.request("PATCH", f"{PUBLIC}/backfills/{part(id)}", body=changes, headers=headers)

    async def delete_backfill(self, id: str, *, reason: str | None = None) -> Answer:
        """Only of one that has ended. Its timeline still answers."""
        return await self._delete(f"/backfills/{part(id)}", given(reason=reason))

    async def pause_backfill(self, id: str, *, reason: str | None = None, until: str | None = None) -> Answer:
        """Once this has returned, nothing starts; it goes on by itself at the instant `until`."""
        return await self._post(f"/backfills/{part(id)}/pause", given(reason=reason, until=until))

    async def resume_backfill(self, id: str, *, reason: str | None = None) -> Answer:
        return await self._post(f"/backfills/{part(id)}/resume", given(reason=reason))

    async def override_windows(self, id: str, until: str, *, reason: str | None = None) -> Answer:
        """The windows count as open until that instant."""
        return await self._post(f"/backfills/{part(id)}/override", given(until=until, reason=reason))

    async def clone_backfill(self, id: str) -> Answer:
        """`data`: a body for `create_backfill`."""
        return await self._get(f"/backfills/{part(id)}/clone")

    async def try_now(self, id: str, *, reason: str | None = None) -> Answer:
        """Ask the target or the source that it waits for at once."""
        return await self._post(f"/backfills/{part(id)}/try-now", given(reason=reason))

    async def end_override(self, id: str, *, reason: str | None = None) -> Answer:
        return await self._delete(f"/backfills/{part(id)}/override", given(reason=reason))

    async def cancel_backfill(self, id: str, *, reason: str | None = None, in_flight: str | None = None) -> Answer:
        """Once this has returned, nothing starts. `in_flight`: drain or cancel."""
        return await self._post(f"/backfills/{part(id)}/cancel", given(reason=reason, in_flight=in_flight))

    async def rerun_failed(self, id: str, body: Json | None = None, *, idempotency_key: str | None = None) -> Answer:
        return await self._post(f"/backfills/{part(id)}/rerun-failed", body, idempotency_key)

    async def rerun(self, id: str, body: Json | None, *, idempotency_key: str | None = None) -> Answer:
        """Items of an ended one again, by what became of them (`status`). With `dry_run` only `count`."""
        return await self._post(f"/backfills/{part(id)}/rerun", body, idempotency_key)

    async def list_timeline(self, id: str, **query: object) -> Answer:
        """One page of what people and the daemon did to a backfill, oldest first. `data`: events."""
        return await self._get(f"/backfills/{part(id)}/timeline", **query)

    def timeline(self, id: str, **query: object) -> AsyncIterator[dict[str, Any]]:
        """Every event of a backfill's timeline that the query lets through."""
        return self.every("events", f"/backfills/{part(id)}/timeline", **query)

    # Ledger

    async def list_ledger(self, id: str, **query: object) -> Answer:
        """One page of a backfill's items in plan order. `data`: entities."""
        return await self._get(f"/backfills/{part(id)}/entities", **query)

    async def get_ledger_item(self, id: str, entity_id: str) -> Answer:
        return await self._get(f"/backfills/{part(id)}/entities/{part(entity_id)}")

    def follow(self, id: str, *, last_event_id: str | None = None) -> AsyncGenerator[ProgressEvent, None]:
        """Progress until the backfill has ended, over lost connections and restarts of the daemon."""
        patience = self._patience_seconds
        return follow(self._http, part(id), self._clock, last_event_id=last_event_id, patience_seconds=patience)
