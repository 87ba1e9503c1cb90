"""Pages that are open: what they are sent, and who may see it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import FakeClock
from tests.web.conftest import Person, Site

from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.domain.errors import NotFound
from backfilld.operations.keys import revoke_key
from backfilld.store.connection.pool import Pool
from backfilld.web.live.hub import Hub
from backfilld.web.live.regions import Picture, Region, message
from backfilld.web.live.stream import HEARTBEAT


class Stream:
    """Reads messages one by one."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> str:
        """One message, without comments."""
        async with asyncio.timeout(10):
            while True:
                lines = []
                while (line := (await self.answer.content.readline()).decode().rstrip("\n")) or not lines:
                    if not line and self.answer.content.at_eof():
                        return "end"
                    if line:
                        lines.append(line)
                if not all(line.startswith(":") for line in lines):
                    return "\n".join(lines)


@asynccontextmanager
async def stream(person: Person, path: str) -> AsyncIterator[Stream]:
    async with person.session.get(path) as answer:
        assert 200 == answer.status
        assert "text/event-stream" == answer.content_type
        yield Stream(answer)


def targets(sent: str) -> set[str]:
    return set(re.findall(r'hx-target="#([\w-]+)"', sent))


@pytest.fixture
async def running(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, name="mine")
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET planned = 10, succeeded = 1")
    return backfill


async def test_only_what_has_changed_is_sent(site: Site, pool: Pool, clock: FakeClock, running: Backfill) -> None:
    person = await site.sign_in("viewer")
    async with stream(person, f"/events/backfills/{running.id}/progress") as live:
        first = await live.next()
        await clock.advance(1)
        await pool.execute("UPDATE backfill_progress SET succeeded = 2")
        await clock.advance(1)
        second = await live.next()

    assert {"state", "head", "why", "tabs", "progress", "flight", "pair", "stopped"} == targets(first)
    assert "progress" in targets(second)
    assert "2 of 10" in second
    assert not {"head", "tabs", "pair"} & targets(second)


async def test_a_row_of_the_overview_is_sent_alone(site: Site, pool: Pool, clock: FakeClock, running: Backfill) -> None:
    await make_backfill(pool, name="another")
    person = await site.sign_in("viewer")
    async with stream(person, "/events/overview") as live:
        first = await live.next()
        await pool.execute("UPDATE backfill_progress SET succeeded = 2 WHERE backfill_number = $1", running.number)
        await clock.advance(1)
        second = await live.next()
        await put_into(pool, running, Status.COMPLETED)
        await clock.advance(1)
        third = await live.next()

    assert {"state", "chips", "rows", "stopped"} == targets(first)
    assert {f"b{running.number}"} == targets(second)
    assert {"chips", "rows"} <= targets(third)


async def test_nothing_of_one_viewer_is_sent_to_another(site: Site, running: Backfill) -> None:
    operator, viewer = await site.sign_in("operator"), await site.sign_in("viewer")
    path = f"/events/backfills/{running.id}/progress"
    async with stream(operator, path) as one, stream(viewer, path) as other:
        theirs, seen = await one.next(), await other.next()

    assert "verb-pause" in theirs
    assert "verb-pause" not in seen
    for text in (theirs, seen):
        assert "csrf" not in text
        assert operator.csrf not in text
        assert viewer.csrf not in text


async def test_a_stream_ends_with_its_backfill(site: Site, pool: Pool, clock: FakeClock, running: Backfill) -> None:
    person = await site.sign_in("viewer")
    async with stream(person, f"/events/backfills/{running.id}/progress") as live:
        await live.next()
        await put_into(pool, running, Status.COMPLETED)
        await clock.advance(1)
        last, over = await live.next(), await live.next()

    assert "Completed" in last
    assert "event: over\ndata: ended" == over


async def test_a_stream_ends_within_a_moment_of_its_session(
    site: Site, pool: Pool, clock: FakeClock, running: Backfill
) -> None:
    key = await site.key("viewer")
    person = await site.sign_in("viewer", key)
    async with stream(person, "/events/overview") as live:
        await live.next()
        await revoke_key(pool, clock, key.id, actor=Actor.local("cli"))
        await clock.advance(HEARTBEAT)
        over = await live.next()

    assert "event: over\ndata: signed out" == over
    again = await person.get("/events/overview")
    assert 204 == again.status


async def test_one_look_serves_all_who_watch_and_none_is_made_for_nobody(clock: FakeClock) -> None:
    looks = 0

    async def look() -> Picture:
        nonlocal looks
        looks += 1
        return Picture([Region("a", f"<p>{looks}</p>")])

    hub = Hub(clock)
    async with hub.listen("x", look) as one, hub.listen("x", look) as other:
        await one.changed.wait()
        await other.changed.wait()
        before = looks
        await clock.advance(1)

        assert 1 == before
        assert 2 == looks
        assert ["<p>2</p>"] == [region.html for region in one.take()]  # the newest, and not the one before
        assert ["<p>2</p>"] == [region.html for region in other.take()]
    await clock.advance(5)
    assert 2 == looks
    assert 0 == hub.watched


async def test_what_cannot_be_drawn_stays_and_is_said_to_be_stale(clock: FakeClock) -> None:
    is_away = False

    async def look() -> Picture:
        if is_away:
            raise OSError("the database is away")
        return Picture([Region("a", "<p>a</p>")])

    async with Hub(clock).listen("x", look) as listener:
        await listener.changed.wait()
        listener.take()
        is_away = True
        await clock.advance(1)
        stale = listener.stale
        is_away = False
        await clock.advance(1)

    assert stale is True
    assert listener.stale is False
    assert [] == listener.take()


async def test_whoever_watches_what_was_deleted_is_told(clock: FakeClock) -> None:
    async def look() -> Picture:
        raise NotFound("gone")

    async with Hub(clock).listen("x", look) as listener:
        await listener.changed.wait()

        assert "gone" == listener.over


def test_time_that_counts_on_by_itself_is_no_news() -> None:
    one = Region("a", '<time datetime="x" data-rel>in 6 m</time>')
    other = Region("a", '<time datetime="x" data-rel>in 5 m</time>')

    assert one.state == other.state
    assert one.state != Region("a", '<time datetime="y" data-rel>in 6 m</time>').state


def test_what_stands_in_a_region_that_is_sent_is_not_sent_again() -> None:
    sent = message([Region("rows", "<div>\n<p>x</p></div>"), Region("b1", "<p>x</p>", inside="rows")])

    assert {"rows"} == targets(sent.decode())
    assert all(line.startswith(b"data: ") for line in sent.strip().split(b"\n"))
