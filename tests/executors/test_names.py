"""How often a name is looked up, and in which order its addresses are tried."""

import asyncio
import socket

import pytest
from tests.support.waiting import eventually

from backfilld.executors.http.wire import resolver as module
from backfilld.executors.http.wire.resolver import Resolver

ONE = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
TWO = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.2", 80))


@pytest.fixture
async def directory(monkeypatch):
    """The system's resolver: what it answers, how often it was asked, and whether it may answer yet."""

    class Directory:
        def __init__(self):
            self.answer = [ONE, TWO]
            self.asked = 0
            self.may_answer = asyncio.Event()
            self.may_answer.set()

        async def look_up(self, host, port, **_):
            self.asked += 1
            await self.may_answer.wait()
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    directory = Directory()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", directory.look_up)
    return directory


async def test_several_addresses_take_turns_at_being_the_first(directory):
    names = Resolver()
    orders = [await names.addresses("app.example", 80) for _ in range(3)]

    assert [[ONE, TWO], [TWO, ONE], [ONE, TWO]] == orders
    assert 1 == directory.asked


async def test_who_asks_at_the_same_time_waits_for_one_look_up(directory):
    directory.may_answer.clear()
    names = Resolver()
    asking = [asyncio.create_task(names.addresses("app.example", 80)) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()  # whoever asked first may leave
    directory.may_answer.set()
    results = await asyncio.gather(*asking, return_exceptions=True)

    assert 1 == directory.asked
    assert isinstance(results[0], asyncio.CancelledError)
    assert {2} == {len(result) for result in results[1:]}


async def test_a_name_is_looked_up_again_once_it_may_have_moved(directory, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 0.0)
    names = Resolver()
    await names.addresses("app.example", 80)
    directory.answer = [TWO]

    assert [TWO] == await names.addresses("app.example", 80)


async def test_a_failure_is_not_remembered(directory):
    names = Resolver()
    directory.answer = socket.gaierror(socket.EAI_AGAIN, "try again")
    with pytest.raises(socket.gaierror):
        await names.addresses("app.example", 80)
    directory.answer = [ONE]

    assert [ONE] == await names.addresses("app.example", 80)


async def test_a_failure_that_comes_late_does_not_take_away_what_is_known_by_then(directory, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 0.0)
    names, directory.answer = Resolver(), socket.gaierror(socket.EAI_AGAIN, "try again")
    directory.may_answer.clear()
    late = asyncio.create_task(names.addresses("app.example", 80))
    await eventually(lambda: directory.asked)
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 1000.0)
    may_fail, directory.may_answer = directory.may_answer, asyncio.Event()
    directory.may_answer.set()
    failure, directory.answer = directory.answer, [ONE]
    await names.addresses("app.example", 80)
    directory.answer = failure
    may_fail.set()
    await asyncio.wait([late])
    directory.answer = [TWO]

    assert failure is late.exception()
    assert [ONE] == await names.addresses("app.example", 80)


@pytest.mark.parametrize("answer", [[], UnicodeError("label too long")])
async def test_a_name_that_leads_nowhere_is_an_error_of_its_own_kind(directory, answer):
    directory.answer = answer
    with pytest.raises(socket.gaierror):
        await Resolver().addresses("app.example", 80)


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [("192.0.2.7", socket.AF_INET, ("192.0.2.7", 80)), ("2001:db8::7", socket.AF_INET6, ("2001:db8::7", 80, 0, 0))],
)
async def test_nobody_is_asked_for_an_address(directory, host, family, address):
    (info,) = await Resolver().addresses(host, 80)

    assert (family, address, 0) == (info[0], info[4], directory.asked)


async def test_closing_leaves_no_look_up_behind(directory):
    directory.may_answer.clear()
    names, before = Resolver(), asyncio.all_tasks()
    asking = asyncio.create_task(names.addresses("app.example", 80))
    await asyncio.sleep(0)
    asking.cancel()
    (look_up,) = asyncio.all_tasks() - before - {asking}
    names.close()
    await asyncio.wait([look_up], timeout=5)

    assert True is look_up.cancelled()
