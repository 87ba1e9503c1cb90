"""The client repeats what is safe to repeat, joins what belongs together, and says what went wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.stub_daemon import Scripted, StubDaemon, a_backfill, event, stub_daemon

from backfilld.client import ApiError, Client, ServerUnreachable
from backfilld.client.answers import ServerReached
from backfilld.clock import SystemClock

ID = a_backfill()["id"]


class HastyClock(SystemClock):
    """Remembers how long it was asked to wait, and only says that it did."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def daemon() -> AsyncIterator[StubDaemon]:
    async with stub_daemon() as daemon:
        yield daemon


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def client(daemon: StubDaemon, hasty: HastyClock) -> AsyncIterator[Client]:
    async with Client(daemon.url, "neo_sk_test_abc", clock=hasty) as client:
        yield client


async def test_an_answer_carries_data_and_warnings(daemon, client):
    daemon.script("POST", "/public-api/backfills", Scripted(201, {"backfill": {"id": ID}}, warnings=("take care",)))
    answer = await client.create_backfill({"name": "x"})

    assert ID == answer["backfill"]["id"]
    assert ("take care",) == answer.warnings
    assert not answer.replayed
    assert {"name": "x"} == daemon.received[0].json
    assert "Bearer neo_sk_test_abc" == daemon.received[0].headers["Authorization"]


async def test_a_refusal_carries_every_fault(daemon, client):
    details = [
        {"path": "/filter_spec", "code": "missing", "message": "is required"},
        {"path": "/orderr", "code": "unknown_field", "message": "unknown", "allowed": ["order"]},
    ]
    daemon.script(
        "POST", "/public-api/backfills", Scripted(422, error={"code": "invalid", "message": "two", "details": details})
    )
    with pytest.raises(ApiError) as refused:
        await client.create_backfill({})

    assert (422, "invalid", "two") == (refused.value.status, refused.value.code, refused.value.message)
    assert ["/filter_spec", "/orderr"] == [detail.path for detail in refused.value.details]
    assert ("order",) == refused.value.details[1].allowed
    assert refused.value.request_id


async def test_a_read_is_repeated_when_the_daemon_says_when_to_come_back(daemon, client, hasty):
    busy = Scripted(429, error={"code": "rate_limited", "message": "slow down"}, headers={"Retry-After": "3"})
    daemon.script("GET", f"/public-api/backfills/{ID}", busy, Scripted(data={"backfill": a_backfill()}))
    answer = await client.get_backfill(ID)

    assert "running" == answer["backfill"]["status"]
    assert [3.0] == hasty.waits


async def test_a_write_is_not_repeated(daemon, client):
    busy = Scripted(503, error={"code": "unavailable", "message": "later"}, headers={"Retry-After": "1"})
    daemon.script("POST", "/public-api/backfills", busy, Scripted(201, {"backfill": a_backfill()}))
    with pytest.raises(ApiError):
        await client.create_backfill({})

    assert 1 == len(daemon.received)


async def test_a_write_under_an_idempotency_key_is_repeated_under_that_key(daemon, client):
    busy = Scripted(503, error={"code": "unavailable", "message": "later"}, headers={"Retry-After": "1"})
    replayed = Scripted(201, {"backfill": a_backfill()}, headers={"Idempotent-Replayed": "true"})
    daemon.script("POST", "/public-api/backfills", busy, replayed)
    answer = await client.create_backfill({}, idempotency_key="k1")

    assert answer.replayed
    assert ["k1", "k1"] == [request.headers["Idempotency-Key"] for request in daemon.received]


async def test_a_read_is_not_repeated_for_ever(daemon, client, hasty):
    busy = Scripted(503, error={"code": "unavailable", "message": "later"}, headers={"Retry-After": "25"})
    daemon.script("GET", f"/public-api/backfills/{ID}", busy)
    with pytest.raises(ApiError):
        await client.get_backfill(ID)

    assert [25.0, 25.0] == hasty.waits


async def test_nobody_at_the_address_is_said_so(unused_tcp_port):
    async with Client(f"http://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(ServerUnreachable, match="nobody answers"):
            await client.list_backfills()


async def test_an_answer_of_something_else_is_shown(daemon, client):
    daemon.script("GET", "/public-api/backfills", Scripted(502, raw=b"<html>Bad gateway</html>"))
    with pytest.raises(ApiError, match="not an answer of backfilld: <html>Bad gateway"):
        await client.list_backfills()


async def test_every_page_of_a_list_is_asked_for(daemon, client):
    first = Scripted(data={"workflows": [{"id": 1}, {"id": 2}]}, next_cursor="c2")
    daemon.script("GET", "/public-api/workflows", first, Scripted(data={"workflows": [{"id": 3}]}))
    found = [workflow["id"] async for workflow in client.every("workflows", "/workflows")]

    assert [1, 2, 3] == found
    assert [None, ["c2"]] == [request.query.get("cursor") for request in daemon.received]


async def test_repeated_query_values_are_sent_one_by_one(daemon, client):
    daemon.script("GET", "/public-api/backfills", Scripted(data={"backfills": []}))
    await client.list_backfills(status=["running", "paused"], entity_type=None)

    assert {"status": ["running", "paused"]} == daemon.received[0].query


async def test_an_id_cannot_leave_its_place_in_the_path(daemon, client):
    daemon.script("GET", "/public-api/entities/ticket/a%2Fb%3F", Scripted(data={"entity": {"id": "a/b?"}}))
    answer = await client.get_entity("ticket", "a/b?")

    assert "a/b?" == answer["entity"]["id"]


async def test_entities_are_sent_as_lines(daemon, client):
    daemon.script("PUT", "/public-api/entities/ticket", Scripted(data={"inserted": 2, "updated": 0, "unchanged": 0}))
    answer = await client.put_entities("ticket", [{"id": "1", "attributes": {}}, {"id": "2", "attributes": {}}])

    assert 2 == answer["inserted"]
    assert b'{"id":"1","attributes":{}}\n{"id":"2","attributes":{}}\n' == daemon.received[0].body
    assert "application/x-ndjson" == daemon.received[0].headers["Content-Type"]


async def test_types_stand_on_lines_of_their_own_behind_all_others(daemon, client):
    daemon.script("PUT", "/public-api/entities/ticket", Scripted(data={"inserted": 1}))

    async def unfinished():
        yield b'{"id": "1", "attributes": {}}'

    await client.upload_entities("ticket", unfinished(), field_types=dict.fromkeys(map(str, range(250)), "date"))
    first, *types = daemon.received[0].body.splitlines()

    assert b'{"id": "1", "attributes": {}}' == first
    assert 250 == sum(line.count(b"date") for line in types)
    assert 3 == len(types)


async def test_an_upload_can_replace_everything_and_tell_types(daemon, client):
    daemon.script("PUT", "/public-api/entities/ticket", Scripted(data={"inserted": 0}))

    async def nothing():
        yield b""

    await client.upload_entities("ticket", nothing(), replace=True, field_types={"priority": "integer"})

    assert {"replace": ["true"]} == daemon.received[0].query
    assert b'{"field_types":{"priority":"integer"}}\n' == daemon.received[0].body


async def test_an_action_without_a_reason_sends_no_body(daemon, client):
    daemon.script("POST", f"/public-api/backfills/{ID}/pause", Scripted(202, {"backfill_id": ID}))
    await client.pause_backfill(ID)

    assert b"" == daemon.received[0].body
    assert "application/json" != daemon.received[0].headers.get("Content-Type")


EVENTS = f"/public-api/backfills/{ID}/events"


async def test_events_are_followed_to_the_end(daemon, client):
    done = a_backfill(status="completed")
    stream = b": hello\n\n" + event("progress", 1, a_backfill()) + event("end", 2, done)
    daemon.script("GET", EVENTS, Scripted(raw=stream))
    seen = [(found.kind, found.id, found.backfill["status"]) async for found in client.follow(ID)]

    assert [("progress", "1", "running"), ("end", "2", "completed")] == seen


async def test_every_event_has_the_whole_backfill_though_only_what_moves_is_sent(daemon, client):
    whole = a_backfill(succeeded_count=0)
    moved = {"id": whole["id"], "status": "running", "succeeded_count": 5}
    daemon.script(
        "GET",
        EVENTS,
        Scripted(raw=event("progress", 1, whole) + event("progress", 2, moved) + event("end", 3, whole)),
    )
    seen = [found.backfill async for found in client.follow(ID)]

    assert [whole, whole | moved, whole] == seen


async def test_a_lost_stream_goes_on_behind_the_last_event(daemon, client, hasty):
    cut = Scripted(raw=event("progress", 7, a_backfill()) + b"event: prog", hang_up=True)
    daemon.script("GET", EVENTS, cut, Scripted(raw=event("end", 8, a_backfill(status="completed"))))
    seen = [found.id async for found in client.follow(ID)]

    assert ["7", "8"] == seen
    assert [None, "7"] == [request.headers.get("Last-Event-ID") for request in daemon.received]
    assert [0.5] == hasty.waits


async def test_a_stream_that_never_comes_back_is_given_up(daemon, client, hasty):
    daemon.script("GET", EVENTS, Scripted(503, error={"code": "unavailable", "message": "starting"}))
    with pytest.raises(ApiError, match="starting"):
        async for _ in client.follow(ID):
            pass

    assert 30 < sum(hasty.waits) <= 60


async def test_a_stream_of_an_unknown_backfill_is_not_waited_for(client, hasty):
    with pytest.raises(ApiError) as refused:
        async for _ in client.follow(ID):
            pass

    assert 404 == refused.value.status
    assert [] == hasty.waits


@pytest.fixture
async def tls_port() -> AsyncIterator[int]:
    """A server that speaks TLS, with a certificate that nobody vouches for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Path(__file__).parent / "support/renewed.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def trouble_at(url: str) -> str:
    async with Client(url, "key") as client:
        with pytest.raises(ServerReached) as reached:
            await client.get_backfill(ID)
    return str(reached.value)


async def test_trouble_with_tls_is_told_as_what_it_is(daemon, tls_port):
    assert "is not accepted" in await trouble_at(f"https://localhost:{tls_port}")
    assert "speaks plain HTTP: write it as http://" in await trouble_at(daemon.url.replace("http:", "https:"))
    assert "if it speaks TLS, write it as https://" in await trouble_at(f"http://127.0.0.1:{tls_port}")
