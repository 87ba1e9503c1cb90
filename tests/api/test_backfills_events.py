"""The stream of progress: only news, at most once a second, and an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client, Serve
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import FakeClock
from tests.support.ledgers import make_ledger
from tests.support.waiting import POLL_SECONDS, eventually

from backfilld.api.public.backfills import progress_stream
from backfilld.api.public.backfills.answers import MOVING
from backfilld.api.public.backfills.progress_stream import StreamLimits
from backfilld.domain.backfills.states import Status
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"


class Listener:
    """Reads one stream, event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def chunk(self) -> str:
        """What comes until the next blank line; empty at the end of the stream."""
        async with asyncio.timeout(5):
            try:
                return (await self._response.content.readuntil(b"\n\n")).decode()
            except asyncio.IncompleteReadError as end:
                return end.partial.decode()

    async def rest(self) -> list[str]:
        """What comes until the end of the stream."""
        chunks = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return chunks

    async def event(self) -> tuple[str, str, Any]:
        """Kind, id and backfill of the next event."""
        while not (chunk := await self.chunk()).startswith("event:"):
            assert chunk, "the stream has ended"
        fields = dict(line.split(": ", 1) for line in chunk.strip().split("\n"))
        return fields["event"], fields["id"], orjson.loads(fields["data"])["backfill"]


@asynccontextmanager
async def listening(client: Client, id: object, last: str | None = None) -> AsyncIterator[Listener]:
    headers = {"Last-Event-ID": last} if last else {}
    async with client.get(f"{PATH}/{id}/events", headers=headers) as response:
        assert (200, "text/event-stream") == (response.status, response.content_type)
        yield Listener(response)


async def pass_a_second(clock: FakeClock, seconds: float = 1) -> None:
    """Once the stream sleeps; it may still be on its way to the database."""
    await eventually(lambda: clock.sleepers)
    await clock.advance(seconds)


async def test_a_stream_begins_with_the_present_and_goes_on_with_news(
    client: Client, pool: Pool, clock: FakeClock
) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        first = await listener.event()
        await pass_a_second(clock)  # nothing has changed
        await client.post(f"{PATH}/{backfill.id}/pause")
        await pass_a_second(clock)
        second = await listener.event()

    assert ("progress", "planning") == (first[0], first[2]["status"])
    assert ("progress", "paused") == (second[0], second[2]["status"])
    assert first[1] != second[1]


async def test_the_end_is_the_last_event(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        await listener.event()
        await put_into(pool, backfill, Status.COMPLETED)
        await pass_a_second(clock)
        kind, _, shown = await listener.event()

        assert ("end", "completed") == (kind, shown["status"])
        assert "" == await listener.chunk()


async def test_whoever_comes_back_hears_only_what_is_new(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        _, last, _ = await listener.event()
    async with listening(client, backfill.id, last) as listener:
        await pass_a_second(clock)
        await make_ledger(pool, backfill, {"a": "succeeded"})
        await pass_a_second(clock)
        _, _, shown = await listener.event()

    assert 1 == shown["succeeded_count"]


async def test_the_passing_of_time_is_no_news(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"a": "pending"})
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET throughput = 0.5")
    async with listening(client, backfill.id) as listener:
        _, _, shown = await listener.event()
        for _ in range(15):
            await pass_a_second(clock)
        heartbeat = await listener.chunk()

    assert "2027-03-01T12:00:02Z" == shown["estimated_completion_at"]
    assert heartbeat.startswith(":")


async def test_however_many_follow_a_backfill_it_is_looked_at_once_a_second(
    client: Client, pool: Pool, clock: FakeClock, operations: BackfillOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill = await make_backfill(pool)
    find, looks = operations.find, []

    async def counted(id: UUID) -> Any:
        looks.append(id)
        return await find(id)

    monkeypatch.setattr(operations, "find", counted)
    async with (
        listening(client, backfill.id) as one, listening(client, backfill.id) as two,
        listening(client, backfill.id) as three,
    ):  # fmt: skip
        for listener in (one, two, three):
            await listener.event()
        await put_into(pool, backfill, Status.COMPLETED)
        await pass_a_second(clock)
        ends = [(await listener.event())[0] for listener in (one, two, three)]

    assert ["end"] * 3 == ends
    assert [backfill.id] == looks


async def test_whoever_joins_hears_the_present_and_not_the_last_look_of_others(
    client: Client, pool: Pool, clock: FakeClock
) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as early:
        await early.event()
        await client.post(f"{PATH}/{backfill.id}/pause")
        async with listening(client, backfill.id) as late:
            _, _, shown = await late.event()

    assert "paused" == shown["status"]


async def test_a_stream_ends_after_an_hour(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        await listener.event()
        began = clock.monotonic()
        rest = asyncio.create_task(listener.rest())
        await pass_a_second(clock, 3590)
        await eventually(lambda: clock.sleepers)
        assert not rest.done()

        while not rest.done():
            await clock.advance(1)
            await asyncio.sleep(POLL_SECONDS)

        assert 3600 <= clock.monotonic() - began
        assert {": still here\n\n"} == set(await rest)


async def test_a_stream_ends_when_its_backfill_is_deleted(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        await listener.event()
        await pool.execute("UPDATE backfills SET deleted_at = created_at")
        await pass_a_second(clock)

        assert "" == await listener.chunk()


async def test_only_so_many_may_listen(
    operations: BackfillOperations, pool: Pool, clock: FakeClock, serve: Serve
) -> None:
    client = await serve(progress_stream.routes(operations, clock, StreamLimits(most=1)))
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        await listener.event()
        refused = await client.get(f"{PATH}/{backfill.id}/events")

    assert 503 == refused.status


async def test_one_caller_takes_no_place_of_the_others(
    operations: BackfillOperations, pool: Pool, clock: FakeClock, serve: Serve
) -> None:
    client = await serve(progress_stream.routes(operations, clock, StreamLimits(most=3, most_per_caller=1)))
    backfill = await make_backfill(pool)
    path = f"{PATH}/{backfill.id}/events"
    async with listening(client, backfill.id) as listener:
        await listener.event()
        refused = await client.get(path)
        error = (await refused.json())["error"]["code"]
        async with client.get(path, headers={"Authorization": "Bearer viewer"}) as other:
            let_in = other.status

    assert (429, "too_many_streams", 200) == (refused.status, error, let_in)
    assert "1" == refused.headers["Retry-After"]


async def test_what_does_not_move_is_sent_once(client: Client, pool: Pool, clock: FakeClock) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        _, _, whole = await listener.event()
        await make_ledger(pool, backfill, {"a": "succeeded"})
        await pass_a_second(clock)
        _, last, moved = await listener.event()
        await pool.execute("UPDATE backfills SET max_in_flight = 3")
        await pass_a_second(clock)
        _, _, changed = await listener.event()
        await put_into(pool, backfill, Status.COMPLETED)
        await pass_a_second(clock)
        _, _, end = await listener.event()
    async with listening(client, backfill.id, last) as listener:
        _, _, come_back = await listener.event()

    assert set(whole) == set(end) == set(come_back)
    assert MOVING == set(moved)
    assert {"max_in_flight"} == set(changed) - MOVING
    assert (1, 3) == (moved["succeeded_count"], changed["max_in_flight"])


async def test_a_server_that_stops_does_not_wait_for_listeners(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    async with listening(client, backfill.id) as listener:
        await listener.event()
        async with asyncio.timeout(5):
            await client.server.stop()
