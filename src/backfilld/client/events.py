"""Following a backfill: its event stream, joined together over lost connections."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from backfilld.client.answers import ApiError, ServerUnreachable
from backfilld.client.transport import COME_BACK, Transport, refuse_errors, unreachable
from backfilld.clock import Clock

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
LONGEST_EVENT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One look at a backfill; `kind` is `progress`, or `end` for the last one."""

    kind: str
    id: str | None
    backfill: dict[str, Any]


async def follow(
    transport: Transport, backfill_id: str, clock: Clock, *, last_event_id: str | None = None, patience_seconds: float
) -> AsyncGenerator[ProgressEvent, None]:
    """Every event until the backfill has ended, each with the whole backfill.

    A lost connection is made again, and goes on behind the last event. ServerUnreachable after
    `patience_seconds` without one; ApiError if the daemon refuses.
    """
    lost_since: float | None = None
    pause = FIRST_PAUSE_SECONDS
    known: dict[str, Any] = {}
    while True:
        try:
            async with aclosing(_connected(transport, backfill_id, last_event_id)) as events:
                async for event in events:
                    lost_since, pause = None, FIRST_PAUSE_SECONDS
                    last_event_id = event.id or last_event_id
                    known |= event.backfill  # between the first and the last, only what moves is sent
                    yield ProgressEvent(event.kind, event.id, dict(known))
                    if event.kind == "end":
                        return
            problem: Exception = ServerUnreachable(f"{transport.url} ended the stream of events")
        except ApiError as refusal:
            if refusal.status not in COME_BACK:
                raise
            problem = refusal
        except (aiohttp.ClientError, TimeoutError, OSError) as lost:
            problem = unreachable(transport.url, lost)
        lost_since = clock.monotonic() if lost_since is None else lost_since
        if clock.monotonic() + pause - lost_since > patience_seconds:
            raise problem
        await clock.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _connected(
    transport: Transport, backfill_id: str, last_event_id: str | None
) -> AsyncGenerator[ProgressEvent, None]:
    headers = {"Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with transport.stream(f"/public-api/backfills/{backfill_id}/events", headers=headers) as response:
        await refuse_errors(response)
        reader = EventReader()
        async for chunk in response.content.iter_any():
            for event in reader.feed(chunk):
                yield event


class EventReader:
    """Cuts a text/event-stream into events; comments, and events without data, are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, list[str]] = {}

    def feed(self, chunk: bytes) -> Iterator[ProgressEvent]:
        """The events that are complete with `chunk`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_EVENT_BYTES:
            raise ServerUnreachable("the stream of events holds a line without an end")
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            if text:
                name, _, value = text.partition(":")
                self._fields.setdefault(name, []).append(value.removeprefix(" "))
            else:
                fields, self._fields = self._fields, {}
                if event := _event(fields):
                    yield event


def _event(fields: dict[str, list[str]]) -> ProgressEvent | None:
    if not fields.get("data"):
        return None
    data = orjson.loads("\n".join(fields["data"]))
    kind = fields.get("event", ["progress"])[-1]
    return ProgressEvent(kind, fields.get("id", [None])[-1], data["backfill"])
