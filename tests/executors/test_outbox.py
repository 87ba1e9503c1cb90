"""What is ready in one round of the loop is sent together; each passes the gate right before its first byte."""

import asyncio

import pytest
from tests.support.executing import FreePermit, ShutPermit
from tests.support.targets import raw_target, read_request
from yarl import URL

from backfilld.executors.base import NotPermitted
from backfilld.executors.http.client import Client, Limits, Start
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.wire.outbox import Outbox

ASK = b"POST /do HTTP/1.1\r\nHost: there\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def there():
    async def answer_all(reader, writer):
        while True:
            await read_request(reader)
            writer.write(OK)

    async with raw_target(answer_all) as there:
        yield there


@pytest.fixture
async def client():
    client = Client(Limits())
    yield client
    await client.close()


class Noting(FreePermit):
    """Writes down what is asked and told, of several."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self._name, self._notes = name, notes

    def start(self) -> None:
        super().start()
        self._notes.append(f"{self._name} passes")

    def sent(self) -> None:
        super().sent()
        self._notes.append(f"{self._name} is sent")


class Stopping(Noting):
    """With its start somebody stops everything else."""

    def __init__(self, name: str, notes: list[str], others: list["Stoppable"]) -> None:
        super().__init__(name, notes)
        self._others = others

    def start(self) -> None:
        super().start()
        for other in self._others:
            other.is_shut = True


class Stoppable(Noting):
    is_shut = False

    def start(self) -> None:
        if self.is_shut:
            raise NotPermitted
        super().start()


async def test_they_leave_together_and_each_is_sent_before_the_next_passes(there, client):
    notes: list[str] = []
    await asyncio.gather(*(client.request(URL(there.url), ASK, Start(FreePermit())) for _ in range(3)))
    asking = [
        asyncio.create_task(client.request(URL(there.url), ASK, Start(Noting(name, notes)))) for name in ("a", "b", "c")
    ]
    asyncio.get_running_loop().call_soon(notes.append, "all have been made")
    await asyncio.gather(*asking)

    assert [
        "all have been made", "a passes", "a is sent", "b passes", "b is sent", "c passes", "c is sent",
    ] == notes  # fmt: skip


async def test_a_gate_that_closes_over_the_first_stops_the_others_that_are_ready(there, client):
    await asyncio.gather(*(client.request(URL(there.url), ASK, Start(FreePermit())) for _ in range(3)))
    before, notes = bytes(there.received), []
    others = [Stoppable("b", notes), Stoppable("c", notes)]
    permits = [Stopping("a", notes, others), *others]
    results = await asyncio.gather(
        *(client.request(URL(there.url), ASK, Start(permit)) for permit in permits), return_exceptions=True
    )

    assert ["a passes", "a is sent"] == notes
    assert [NotPermitted, NotPermitted] == [type(result) for result in results[1:]]
    assert before + ASK == bytes(there.received)


async def test_one_that_is_refused_leaves_the_others_and_its_connection_alone(there, client):
    results = await asyncio.gather(
        client.request(URL(there.url), ASK, Start(ShutPermit())),
        client.request(URL(there.url), ASK, Start(FreePermit())),
        return_exceptions=True,
    )
    await asyncio.gather(*(client.request(URL(there.url), ASK, Start(FreePermit())) for _ in range(2)))

    assert (NotPermitted, 200) == (type(results[0]), results[1].status)
    assert 2 == there.connections


async def test_what_is_cancelled_before_it_leaves_asks_no_gate_and_keeps_its_connection(there, client):
    await client.request(URL(there.url), ASK, Start(FreePermit()))
    before, permit = bytes(there.received), FreePermit()
    asking = asyncio.create_task(client.request(URL(there.url), ASK, Start(permit)))
    asyncio.get_running_loop().call_soon(asking.cancel)  # after it was made, before it is sent
    with pytest.raises(asyncio.CancelledError):
        await asking
    untouched = bytes(there.received)
    await client.request(URL(there.url), ASK, Start(FreePermit()))

    assert (0, before) == (permit.started, untouched)
    assert 1 == there.connections


async def test_a_kept_connection_that_ends_before_it_leaves_is_replaced_and_no_start_is_lost(
    there, client, monkeypatch
):
    await client.request(URL(there.url), ASK, Start(FreePermit()))
    end_each_first(monkeypatch, lambda line: line.asked > 0)
    permit = FreePermit()
    answer = await client.request(URL(there.url), ASK, Start(permit))

    assert (200, 1, 2) == (answer.status, permit.started, there.connections)


async def test_a_new_connection_that_ends_before_it_is_used_is_none(there, client, monkeypatch):
    end_each_first(monkeypatch, lambda line: True)
    permit = FreePermit()
    with pytest.raises(TargetFailure) as failure:
        await client.request(URL(there.url), ASK, Start(permit))

    assert ("unreachable", 0, 1) == (failure.value.verdict.kind, permit.started, there.connections)


def end_each_first(monkeypatch, wanted) -> None:
    """Lose every connection that is `wanted` between being taken and the gate."""
    send = Outbox.send

    def losing(self, line, *rest):
        if wanted(line):
            line.abort()
        return send(self, line, *rest)

    monkeypatch.setattr(Outbox, "send", losing)
