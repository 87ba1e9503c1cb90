"""The API's routes as methods. Bodies and answers are the documents of the API, passed on as they are."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from backfilld.client.answers import Answer, Json
from backfilld.client.digdag import DigdagRoutes
from backfilld.client.events import ProgressEvent, follow
from backfilld.client.transport import Patience, Transport, refuse_errors, unreachable
from backfilld.clock import Clock, SystemClock

PUBLIC = "/public-api"
LARGEST_PAGE = 200
TYPES_A_LINE = 100  # names of 512 characters, at most: far below the longest line


class Client:
    """One daemon, as one caller. Use as an async context manager, or call `close`.

    Every method raises ApiError for a refusal and ServerUnreachable if nobody answers.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, clock: Clock | None = None, patience_seconds: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self._clock = clock or SystemClock()
        self._patience_seconds = patience_seconds
        self._http = Transport(url, api_key, clock=self._clock, patience=Patience(patience_seconds))
        self.digdag = DigdagRoutes(self._http)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.close()

    # Backfills

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
        return await self._get(f"/backfills/{_part(id)}")

    async def report(self, id: str, **query: object) -> AsyncIterator[bytes]:
        """The ledger as it comes; `format`, `status`, `error_group`. ServerUnreachable if it is cut off."""
        try:
            async with self._http.stream(f"{PUBLIC}/backfills/{_part(id)}/report", query=query) as response:
                await refuse_errors(response)
                async for piece in response.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise unreachable(self.url, problem) from problem

    async def list_errors(self, id: str, **query: object) -> Answer:
        """What failed, by what failures have in common; `error_group`. `data`: errors."""
        return await self._get(f"/backfills/{_part(id)}/errors", **query)

    async def list_progress(self, id: str, **query: object) -> Answer:
        """How a backfill went; `from`, `to`, `step`. `data`: samples, step."""
        return await self._get(f"/backfills/{_part(id)}/progress", **query)

    async def explain_backfill(self, id: str) -> Answer:
        """Why nothing, or not more, is starting. `data`: starting, sentences, blockers, limits, next_start_at."""
        return await self._get(f"/backfills/{_part(id)}/explain")

    async def edit_backfill(self, id: str, changes: Json, *, version: int | None = None) -> Answer:
        """Once this has returned, every start obeys. `version`: only if it has that one, else ApiError 412."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return await self._http.request("PATCH", f"{PUBLIC}/backfills/{_part(id)}", body=changes, headers=headers)

    async def delete_backfill(self, id: str, *, reason: str | None = None) -> Answer:
        """Only of one that has ended. Its timeline still answers."""
        return await self._delete(f"/backfills/{_part(id)}", _given(reason=reason))

    async def pause_backfill(self, id: str, *, reason: str | None = None, until: str | None = None) -> Answer:
        """Once this has returned, nothing starts; it goes on by itself at the instant `until`."""
        return await self._post(f"/backfills/{_part(id)}/pause", _given(reason=reason, until=until))

    async def resume_backfill(self, id: str, *, reason: str | None = None) -> Answer:
        return await self._post(f"/backfills/{_part(id)}/resume", _given(reason=reason))

    async def override_windows(self, id: str, until: str, *, reason: str | None = None) -> Answer:
        """The windows count as open until that instant."""
        return await self._post(f"/backfills/{_part(id)}/override", _given(until=until, reason=reason))

    async def clone_backfill(self, id: str) -> Answer:
        """`data`: a body for `create_backfill`."""
        return await self._get(f"/backfills/{_part(id)}/clone")

    async def try_now(self, id: str, *, reason: str | None = None) -> Answer:
        """Ask the target or the source that it waits for at once."""
        return await self._post(f"/backfills/{_part(id)}/try-now", _given(reason=reason))

    async def end_override(self, id: str, *, reason: str | None = None) -> Answer:
        return await self._delete(f"/backfills/{_part(id)}/override", _given(reason=reason))

    async def cancel_backfill(self, id: str, *, reason: str | None = None, in_flight: str | None = None) -> Answer:
        """Once this has returned, nothing starts. `in_flight`: drain or cancel."""
        return await self._post(f"/backfills/{_part(id)}/cancel", _given(reason=reason, in_flight=in_flight))

    async def rerun_failed(self, id: str, body: Json | None = None, *, idempotency_key: str | None = None) -> Answer:
        return await self._post(f"/backfills/{_part(id)}/rerun-failed", body, idempotency_key)

    async def rerun(self, id: str, body: Json | None, *, idempotency_key: str | None = None) -> Answer:
        """Items of an ended one again, by what became of them (`status`). With `dry_run` only `count`."""
        return await self._post(f"/backfills/{_part(id)}/rerun", body, idempotency_key)

    async def list_timeline(self, id: str, **query: object) -> Answer:
        """One page of what people and the daemon did to a backfill, oldest first. `data`: events."""
        return await self._get(f"/backfills/{_part(id)}/timeline", **query)

    def timeline(self, id: str, **query: object) -> AsyncIterator[dict[str, Any]]:
        """Every event of a backfill's timeline that the query lets through."""
        return self.every("events", f"/backfills/{_part(id)}/timeline", **query)

    # Ledger

    async def list_ledger(self, id: str, **query: object) -> Answer:
        """One page of a backfill's items in plan order. `data`: entities."""
        return await self._get(f"/backfills/{_part(id)}/entities", **query)

    async def get_ledger_item(self, id: str, entity_id: str) -> Answer:
        return await self._get(f"/backfills/{_part(id)}/entities/{_part(entity_id)}")

    def follow(self, id: str, *, last_event_id: str | None = None) -> AsyncGenerator[ProgressEvent, None]:
        """Progress until the backfill has ended, over lost connections and restarts of the daemon."""
        patience = self._patience_seconds
        return follow(self._http, _part(id), self._clock, last_event_id=last_event_id, patience_seconds=patience)

    # Entities

    async def list_entity_types(self) -> Answer:
        return await self._get("/entity-types")

    async def list_fields(self, entity_type: str) -> Answer:
        """From a sample of its records. `data`: fields."""
        return await self._get(f"/entity-types/{_part(entity_type)}/fields")

    async def list_sources(self) -> Answer:
        """`data`: sources."""
        return await self._get("/sources")

    async def list_targets(self) -> Answer:
        """`data`: targets."""
        return await self._get("/targets")

    async def test_source(self, entity_type: str) -> Answer:
        """Asks for fields, the number of entities and one of them. `data`: test."""
        return await self._post(f"/sources/{_part(entity_type)}/test", None)

    async def put_entities(self, entity_type: str, entities: Sequence[Json]) -> Answer:
        """Store a handful; see `upload_entities` for many. `data`: inserted, updated, unchanged."""
        return await self.upload_entities(entity_type, _lines(entities))

    async def upload_entities(
        self,
        entity_type: str,
        lines: AsyncIterable[bytes],
        *,
        replace: bool = False,
        field_types: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Store what `lines` (NDJSON, in pieces of any size) holds, all of it or nothing; sent as it is produced.

        `replace`: whatever else the type held is removed. `field_types` are added to what is known of the type.
        A daemon that refuses hangs up on a long upload: ServerUnreachable then. To hear why, send nothing first.
        """
        path = f"{PUBLIC}/entities/{_part(entity_type)}"
        query: dict[str, object] = {"replace": True} if replace else {}
        if field_types:
            lines = _with_types(lines, field_types)
        return await self._http.upload("PUT", path, lines, "application/x-ndjson", query=query)

    async def list_entities(self, entity_type: str, **query: object) -> Answer:
        return await self._get(f"/entities/{_part(entity_type)}", **query)

    async def get_entity(self, entity_type: str, id: str) -> Answer:
        return await self._get(f"/entities/{_part(entity_type)}/{_part(id)}")

    async def delete_entity(self, entity_type: str, id: str) -> Answer:
        return await self._delete(f"/entities/{_part(entity_type)}/{_part(id)}")

    # Workflows, windows, keys, the daemon itself

    async def list_workflows(self, **query: object) -> Answer:
        return await self._get("/workflows", **query)

    async def push_project(self, archive: bytes, **query: object) -> Answer:
        """Push a gzip tar; `project` and `revision` name it. `data`: the project, in the words of the dialect."""

        async def pieces() -> AsyncIterator[bytes]:
            yield archive

        return await self._http.upload("PUT", "/api/projects", pieces(), "application/gzip", query=query)

    async def create_workflow(self, body: Json) -> Answer:
        return await self._post("/workflows", body)

    async def get_workflow(self, id: int) -> Answer:
        return await self._get(f"/workflows/{id}")

    async def edit_workflow(self, id: int, changes: Json) -> Answer:
        return await self._http.request("PATCH", f"{PUBLIC}/workflows/{id}", body=changes)

    async def delete_workflow(self, id: int) -> Answer:
        return await self._delete(f"/workflows/{id}")

    async def preview_windows(self, body: Json) -> Answer:
        return await self._post("/windows/preview", body)

    async def preview_schedule(self, body: Json) -> Answer:
        """`data`: sessions."""
        return await self._post("/schedules/preview", body)

    async def list_api_keys(self, **query: object) -> Answer:
        return await self._get("/api-keys", **query)

    async def revoke_api_key(self, id: str) -> Answer:
        return await self._delete(f"/api-keys/{_part(id)}")

    async def stop_all(self, *, reason: str | None = None) -> Answer:
        """Once this has returned, nothing starts in any daemon on the database. `data`: stopped, by, reason, since."""
        return await self._post("/stop-all", _given(reason=reason))

    async def start_all(self, *, reason: str | None = None) -> Answer:
        """Take back a stop. `data` as of `stop_all`."""
        return await self._post("/start-all", _given(reason=reason))

    async def list_brakes(self) -> Answer:
        """`data`: brakes."""
        return await self._get("/brakes")

    async def test_brake(self, name: str, *, since: str | None = None) -> Answer:
        """Look now. `data`: brake, value, says, error, bad, critical, took_ms."""
        return await self._post(f"/brakes/{_part(name)}/test", _given(since=since))

    async def reset_brake(self, name: str, *, reason: str | None = None) -> Answer:
        """Let it go on after it was critical. `data`: brake, message."""
        return await self._post(f"/brakes/{_part(name)}/reset", _given(reason=reason))

    async def release_brake(self, name: str, *, until: str, reason: str | None = None) -> Answer:
        """Hold it open until then. `data`: brake, message."""
        return await self._post(f"/brakes/{_part(name)}/release", _given(until=until, reason=reason))

    async def list_notifications(self) -> Answer:
        """`data`: notifications, the endpoints of the file."""
        return await self._get("/notifications")

    async def test_notification(self, name: str) -> Answer:
        """Send a test now. `data`: delivered, http_status, error, took_ms."""
        return await self._post(f"/notifications/{_part(name)}/test", None)

    async def list_deliveries(self, name: str, **query: object) -> Answer:
        """One page of an endpoint's messages, newest first. `data`: deliveries."""
        return await self._get(f"/notifications/{_part(name)}/deliveries", **query)

    async def resend_delivery(self, name: str, id: str | None = None) -> Answer:
        """Send one again, or all that nobody tries any more. `data`: resent."""
        one = "" if id is None else f"/{_part(id)}"
        return await self._post(f"/notifications/{_part(name)}/deliveries{one}/resend", None)

    async def list_audit_log(self, **query: object) -> Answer:
        """One page of who did what, newest first. `data`: events."""
        return await self._get("/audit-log", **query)

    async def health(self) -> Answer:
        return await self._http.request("GET", "/healthz")

    async def ready(self) -> Answer:
        """ApiError 503 with the reason while the daemon is not ready (asked again within the client's patience)."""
        return await self._http.request("GET", "/readyz")

    async def every(self, plural: str, path: str, **query: object) -> AsyncIterator[dict[str, Any]]:
        """Every entry of the list at `path` (below /public-api), page after page."""
        cursor: str | None = None
        while True:
            page = await self._get(path, **({"page_size": LARGEST_PAGE} | query | {"cursor": cursor}))
            for entry in page[plural]:
                yield entry
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _get(self, path: str, **query: object) -> Answer:
        return await self._http.request("GET", PUBLIC + path, query=query)

    async def _post(self, path: str, body: Json | None, idempotency_key: str | None = None) -> Answer:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return await self._http.request("POST", PUBLIC + path, body=body, headers=headers)

    async def _delete(self, path: str, body: Json | None = None) -> Answer:
        return await self._http.request("DELETE", PUBLIC + path, body=body)


def _part(text: str) -> str:
    return quote(text, safe="")


def _given(**fields: object) -> dict[str, object] | None:
    """Only what was given; None, which sends no body, if that is nothing."""
    return {name: value for name, value in fields.items() if value is not None} or None


async def _with_types(lines: AsyncIterable[bytes], types: Mapping[str, str | None]) -> AsyncIterator[bytes]:
    """The lines, and behind them, so that each keeps its number, the types."""
    ends = b"\n"
    async for piece in lines:
        yield piece
        ends = piece[-1:] or ends
    if ends != b"\n":
        yield b"\n"
    names = list(types)
    for start in range(0, len(names), TYPES_A_LINE):
        some = {name: types[name] for name in names[start : start + TYPES_A_LINE]}
        yield orjson.dumps({"field_types": some}, option=orjson.OPT_APPEND_NEWLINE)


async def _lines(entities: Sequence[Json]) -> AsyncIterator[bytes]:
    for entity in entities:
        yield orjson.dumps(entity, option=orjson.OPT_APPEND_NEWLINE)
