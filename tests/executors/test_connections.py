"""Connections: opened when needed, used again, given up when their time is over, and never left behind."""

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager, suppress

import pytest
from tests.support.executing import FreePermit, ShutPermit, work
from tests.support.targets import answering, raw_target, read_request, server_tls, target, trusting_tls
from tests.support.waiting import PATIENCE_SECONDS, eventually
from yarl import URL

from backfilld.executors.base import NotPermitted
from backfilld.executors.http.client import Client, Limits, Start
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.wire import pool as module
from backfilld.executors.http.wire.connection import OutOfTime
from backfilld.executors.http.wire.pool import ConnectionPool, NoConnectionInTime
from backfilld.executors.http.wire.resolver import Resolver

ASK = b"POST /do HTTP/1.1\r\nHost: there\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def nothing_is_closed_for_its_age(monkeypatch):
    """Or else that would help where something has to be closed at once."""
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 1000.0)


@asynccontextmanager
async def wire_with(**limits):
    wire = Client(Limits(**limits))
    try:
        yield wire
    finally:
        await wire.close()


async def answer_all(reader, writer):
    while True:
        await read_request(reader)
        writer.write(OK)


async def test_there_are_as_many_connections_as_requests_at_once():
    gathered = asyncio.Barrier(5)

    async def answer_together(reader, writer):
        while True:
            await read_request(reader)
            await gathered.wait()
            writer.write(OK)

    async with raw_target(answer_together) as there, wire_with() as wire:
        for _ in range(3):
            await asyncio.gather(*(wire.request(URL(there.url), ASK) for _ in range(5)))

        assert 5 == there.connections


async def test_the_connection_that_was_used_last_is_used_first():
    used = []

    async def note(reader, writer):
        while True:
            used.append((writer, await read_request(reader)))
            writer.write(OK)

    async with raw_target(note) as there, wire_with() as wire:
        await asyncio.gather(*(wire.request(URL(there.url), ASK) for _ in range(3)))
        used.clear()
        for _ in range(6):
            await wire.request(URL(there.url), ASK)

        assert {6} == set(Counter(writer for writer, _ in used).values())


@pytest.mark.parametrize(
    "answer",
    [OK + b"H", OK + OK, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
     b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 101 Other\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000],
    ids=["a byte too many", "an answer too many", "close", "HTTP/1.0", "another protocol", "too long"],
)  # fmt: skip
async def test_after_such_an_answer_the_connection_is_closed(answer):
    gone = asyncio.Event()

    async def answer_so(reader, writer):
        await read_request(reader)
        writer.write(answer)
        await reader.read(1)
        gone.set()

    async with raw_target(answer_so) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK)
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)
        await wire.request(URL(there.url), ASK)

        assert 2 == there.connections


async def test_what_comes_on_an_idle_connection_closes_it():
    may_speak, gone = asyncio.Event(), asyncio.Event()

    async def speak_unasked(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await may_speak.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        if not await reader.read(1):
            gone.set()

    async with raw_target(speak_unasked) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK)
        may_speak.set()
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)
        answer = await wire.request(URL(there.url), ASK)

        assert (200, 2) == (answer.status, there.connections)


async def test_a_connection_tells_of_the_last_byte_that_it_still_holds():
    """By default a transport does not call 64 KiB worth mentioning, and a pause would be answered too early."""
    async with raw_target(answer_all) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK)
        (line,) = wire._connections._lines

        assert (0, 0) == line._transport.get_write_buffer_limits()


@pytest.mark.parametrize(
    "break_off",
    [lambda line: line.eof_received(), lambda line: line._transport.abort()],
    ids=["the other side is done", "a reset was read"],
)
async def test_a_connection_is_not_used_any_more_although_it_has_not_heard_of_its_end_yet(break_off):
    async with raw_target(answer_all) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK)
        (line,) = wire._connections._lines
        break_off(line)
        answer = await wire.request(URL(there.url), ASK)

        assert (200, 2) == (answer.status, there.connections)


async def test_an_answer_before_the_whole_request_is_out_is_the_last_on_its_connection():
    async def impatient(reader, writer):
        await reader.read(1000)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with raw_target(impatient) as there, wire_with() as wire:
        big = ASK.replace(b"Length: 0", b"Length: 20000000") + b"x" * 20_000_000
        statuses = [(await wire.request(URL(there.url), big)).status for _ in range(2)]

        assert ([413, 413], 2) == (statuses, there.connections)


async def test_an_idle_connection_is_closed_when_nobody_needs_it(monkeypatch):
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.05)
    gone = asyncio.Event()

    async def answer_until_the_end(reader, writer):
        try:
            await answer_all(reader, writer)
        finally:
            gone.set()

    async with raw_target(answer_until_the_end) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK)

        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)


async def test_an_idle_connection_that_is_too_old_is_not_used_although_nobody_has_closed_it_yet(monkeypatch):
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.0)
    async with raw_target(answer_all) as there, wire_with() as wire:
        for _ in range(2):
            await wire.request(URL(there.url), ASK)

        assert 2 == there.connections


async def test_nothing_is_looked_after_where_there_is_no_connection():
    async def answer_once(reader, writer):
        await read_request(reader)
        writer.write(OK)

    async with raw_target(answer_once) as there, wire_with() as wire:
        connections = wire._connections
        await wire.request(URL(there.url), ASK)
        was_looked_after = connections._look is not None
        await eventually(lambda: not connections._lines)

        assert (True, None, [[]]) == (was_looked_after, connections._look, list(connections._idle.values()))


async def test_a_target_that_closes_a_new_connection_at_once_was_sent_nothing(monkeypatch):
    async def hang_up(reader, writer):
        pass

    async def connected_late(*args):
        line = await connected(*args)
        await line.lost  # before anybody could use it
        return line

    connected = module.connected
    monkeypatch.setattr(module, "connected", connected_late)
    async with raw_target(hang_up) as there, wire_with() as wire:
        permit = FreePermit()
        with pytest.raises(TargetFailure) as caught:
            await wire.request(URL(there.url), ASK, Start(permit))

    assert ("unreachable", "connect_failed") == (caught.value.verdict.kind, caught.value.verdict.error_class)
    assert (0, b"") == (permit.started, bytes(there.received))


# Time limits, which share one timer


async def silent(reader, writer):
    await read_request(reader)
    await asyncio.Event().wait()


async def test_each_try_ends_at_its_own_time_and_not_before():
    loop = asyncio.get_running_loop()
    waits = [0.05, 0.21, 0.4]

    async def lateness(wire, url, wait):
        ends_at = loop.time() + wait
        with pytest.raises(OutOfTime):
            await wire.request(url, ASK, ends_at=ends_at)
        return loop.time() - ends_at

    async with raw_target(silent) as there, wire_with() as wire:
        late = await asyncio.gather(*(lateness(wire, URL(there.url), wait) for wait in waits))

    assert 0 <= min(late)
    assert max(late) < 2  # 0.1 s on a machine that does nothing else


async def test_the_end_of_one_try_is_not_the_end_of_the_next():
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + 0.5

    async def answer_the_second_late(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        await asyncio.sleep(ends_at + 3 * module.LOOK_EVERY_SECONDS - loop.time())
        writer.write(OK)
        await reader.read(1)

    async with raw_target(answer_the_second_late) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK, ends_at=ends_at)
        answer = await wire.request(URL(there.url), ASK, ends_at=loop.time() + 30)

        assert (200, 1) == (answer.status, there.connections)


async def test_a_connection_is_not_waited_for_beyond_the_end_of_the_try():
    async def deaf(reader, writer):
        await asyncio.Event().wait()

    async with raw_target(deaf) as there:
        connections = ConnectionPool(Limits())
        ends_at = asyncio.get_running_loop().time() + 0.05
        with pytest.raises(OutOfTime):
            await connections.opened(URL(there.url.replace("http:", "https:")), ends_at)
        with pytest.raises(NoConnectionInTime):
            await ConnectionPool(Limits(connect_seconds=0.05)).opened(URL(there.url.replace("http:", "https:")), 1e9)


async def test_a_system_that_gives_up_connecting_before_we_do_is_quoted(monkeypatch):
    async def give_up(*_):
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(module, "connected", give_up)
    async with wire_with() as wire:
        with pytest.raises(TargetFailure, match="no connection: Connection timed out"):
            await wire.request(URL("http://app.example"), ASK)


async def test_an_answer_that_goes_on_slowly_is_no_silence():
    async def slow(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            writer.write(b"x")
        await reader.read(1)

    async with raw_target(slow) as there, wire_with(silence_seconds=0.5) as wire:
        answer = await wire.request(URL(there.url), ASK)

        assert b"x" * 8 == answer.body


async def test_a_pause_in_one_answer_does_not_count_against_the_next():
    async def hesitate_then_think(reader, writer):
        await read_request(reader)
        writer.write(OK.replace(b"h: 0", b"h: 2") + b"o")
        await asyncio.sleep(0.05)
        writer.write(b"k")
        await read_request(reader)
        await asyncio.sleep(0.8)
        writer.write(OK)
        await reader.read(1)

    async with raw_target(hesitate_then_think) as there, wire_with(silence_seconds=0.5) as wire:
        await wire.request(URL(there.url), ASK)
        answer = await wire.request(URL(there.url), ASK)

        assert (200, 1) == (answer.status, there.connections)


async def test_the_silence_before_an_answer_is_none_inside_it():
    async def late(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 100 Go on\r\n\r\n")
        await asyncio.sleep(0.4)
        writer.write(OK)
        await reader.read(1)

    async with raw_target(late) as there, wire_with(silence_seconds=0.05) as wire:
        answer = await wire.request(URL(there.url), ASK)

        assert 200 == answer.status


# Nothing is left behind


async def test_cancelling_while_connecting_leaves_nothing_open():
    gone = asyncio.Event()

    async def deaf(reader, writer):
        await reader.read(1 << 16)  # the TLS greeting
        if not await reader.read(1):
            gone.set()

    async with raw_target(deaf) as there, wire_with() as wire:
        running = asyncio.create_task(wire.request(URL(there.url.replace("http:", "https:")), ASK))
        await eventually(lambda: bool(there.received))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)

        assert (set(), {}) == (wire._connections._lines, wire._connections._opening)


@pytest.mark.parametrize("shakes_hands", [False, True])
async def test_cancelling_at_any_moment_of_connecting_leaves_nothing_open(shakes_hands):
    begun = ended = 0

    async def until_the_end(reader, writer):
        nonlocal begun, ended
        begun += 1
        with suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        ended += 1
        writer.transport.abort()

    tls = server_tls() if shakes_hands else None
    server = await asyncio.start_server(until_the_end, "127.0.0.1", 0, ssl=tls)
    wire = Client(Limits(), trusting_tls())
    url = URL(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for moment in range(40):
        opening = asyncio.create_task(wire.request(url, ASK))
        for _ in range(moment):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])

    await eventually(lambda: begun == ended)
    assert set() == wire._connections._lines
    await wire.close()
    server.close()


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_socket_is_closed_whether_or_not_the_event_loop_took_it_before_it_failed(monkeypatch, is_taken):
    gone = asyncio.Event()

    async def wait_for_the_end(reader, writer):
        await reader.read(1)
        gone.set()

    async def fail(make, **options):
        if is_taken:
            await create_connection(make, **options)
        raise OSError("no room")

    loop = asyncio.get_running_loop()
    create_connection = loop.create_connection
    monkeypatch.setattr(loop, "create_connection", fail)
    async with raw_target(wait_for_the_end) as there, wire_with() as wire:
        with pytest.raises(TargetFailure, match="no room"):
            await wire.request(URL(there.url), ASK)

        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_cancelling_while_an_answer_is_awaited_closes_the_connection(begun):
    said, gone = asyncio.Event(), asyncio.Event()

    async def begin(reader, writer):
        await read_request(reader)
        writer.write(begun)
        said.set()
        await reader.read(1)
        gone.set()

    async with raw_target(begin) as there, wire_with() as wire:
        running = asyncio.create_task(wire.request(URL(there.url), ASK))
        await said.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)
        await eventually(lambda: not wire._connections._lines)


async def test_closing_closes_what_is_idle_in_use_and_being_opened():
    ended = 0

    async def count(reader, writer):
        nonlocal ended
        try:
            if (await reader.read(1 << 16)).startswith(b"POST /idle"):
                writer.write(OK)
            await reader.read(1)
        finally:
            ended += 1

    async with raw_target(count) as there:
        url = URL(there.url)
        wire = Client(Limits(connect_seconds=1000), trusting_tls())
        in_use = asyncio.create_task(wire.request(url, ASK))
        await eventually(lambda: there.connections == 1)
        await wire.request(url, ASK.replace(b"/do", b"/idle"))
        opening = asyncio.create_task(wire.request(url.with_scheme("https"), ASK))
        await eventually(lambda: there.connections == 3 and len(there.received) > 2 * len(ASK) + 100)
        await asyncio.wait_for(wire.close(), PATIENCE_SECONDS)
        results = await asyncio.gather(in_use, opening, return_exceptions=True)
        await eventually(lambda: ended == 3)

    assert ["reset", "connect_failed"] == [failure.verdict.error_class for failure in results]
    assert set() == wire._connections._lines


async def test_closing_may_be_cut_off():
    async with raw_target(answer_all) as there:
        wire = Client(Limits())
        await wire.request(URL(there.url), ASK)
        (line,) = wire._connections._lines
        closing = asyncio.create_task(wire.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await asyncio.wait_for(line.lost, PATIENCE_SECONDS)

        assert set() == wire._connections._lines


async def test_closing_does_not_make_half_an_answer_whole():
    async def answer_without_a_length(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        await reader.read(1)

    async with raw_target(answer_without_a_length) as there:
        wire = Client(Limits())
        running = asyncio.create_task(wire.request(URL(there.url), ASK))
        await eventually(lambda: any(line.was_heard for line in wire._connections._lines))
        await wire.close()
        with pytest.raises(TargetFailure) as caught:
            await running

        assert "reset" == caught.value.verdict.error_class


async def test_nothing_is_opened_once_all_is_closed():
    async with raw_target(answer_all) as there:
        wire = Client(Limits())
        await wire.close()
        with pytest.raises(TargetFailure) as caught:
            await wire.request(URL(there.url), ASK)

        assert "connect_failed" == caught.value.verdict.error_class


async def test_a_gate_that_was_shut_leaves_a_connection_that_is_closed_in_time(executor_for, monkeypatch):
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.05)
    gone = asyncio.Event()

    async def wait_for_the_end(reader, writer):
        await reader.read(1)
        gone.set()

    async with raw_target(wait_for_the_end) as there:
        with pytest.raises(NotPermitted):
            await executor_for(there.url).execute(work(), ShutPermit())

        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)


# Several addresses


@pytest.fixture
def addresses(monkeypatch):
    """`addresses(*texts)`: what every name is resolved to from now on."""

    def resolve(*texts):
        async def answer(_, host, port):
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0)) if ":" in text
                else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
                for text in texts
            ]  # fmt: skip

        monkeypatch.setattr(Resolver, "addresses", answer)

    return resolve


async def test_an_address_where_nobody_listens_is_passed_over(addresses):
    addresses("127.0.0.2", "127.0.0.1")
    async with raw_target(answer_all) as there, wire_with() as wire:
        answer = await wire.request(URL(there.url).with_host("app.example"), ASK)

        assert 200 == answer.status


async def test_the_other_family_is_passed_over_too(addresses):
    addresses("::1", "127.0.0.1")
    async with raw_target(answer_all) as there, wire_with() as wire:
        answer = await wire.request(URL(there.url).with_host("app.example"), ASK)

        assert 200 == answer.status


async def test_an_address_that_does_not_answer_holds_the_others_up_only_briefly(addresses, monkeypatch):
    started = []

    async def connect(sock, address):
        started.append(address[0])
        if address[0] == "127.0.0.2":
            await asyncio.Event().wait()
        await real(sock, address)

    loop = asyncio.get_running_loop()
    real = loop.sock_connect
    monkeypatch.setattr(loop, "sock_connect", connect)
    addresses("127.0.0.2", "127.0.0.1")
    async with raw_target(answer_all) as there, wire_with() as wire:
        answer = await wire.request(URL(there.url).with_host("app.example"), ASK)

        assert (200, ["127.0.0.2", "127.0.0.1"]) == (answer.status, started)


async def test_no_address_that_is_forbidden_is_connected_to(addresses):
    addresses("169.254.169.254", "fe80::1")
    async with wire_with() as wire:
        with pytest.raises(TargetFailure) as caught:
            await wire.request(URL("http://app.example"), ASK)

    assert ("refused", "address_not_allowed") == (caught.value.verdict.kind, caught.value.verdict.error_class)


async def test_where_tls_fails_at_one_address_the_next_is_tried(addresses):
    """The two addresses share a port; at one of them nobody speaks TLS."""

    async def plain(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async def over_tls(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await reader.read(1)
        writer.close()

    addresses("127.0.0.2", "127.0.0.1")
    secure = await asyncio.start_server(over_tls, "127.0.0.1", 0, ssl=server_tls())
    port = secure.sockets[0].getsockname()[1]
    insecure = await asyncio.start_server(plain, "127.0.0.2", port)
    wire = Client(Limits(), without_names())
    try:
        answer = await wire.request(URL(f"https://app.example:{port}"), ASK)
    finally:
        await wire.close()
        for server in (secure, insecure):
            server.close()

    assert 200 == answer.status


async def test_over_tls_too_an_answer_may_end_with_the_connection():
    async def answer_without_a_length(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nwhole")
        writer.close()

    server = await asyncio.start_server(answer_without_a_length, "127.0.0.1", 0, ssl=server_tls())
    wire = Client(Limits(), trusting_tls())
    try:
        answer = await wire.request(URL(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"), ASK)
    finally:
        await wire.close()
        server.close()

    assert b"whole" == answer.body


def without_names():
    tls = trusting_tls()
    tls.check_hostname = False  # the certificate is for the address
    return tls


async def test_the_name_in_the_certificate_must_be_that_of_the_target(addresses):
    async def over_tls(reader, writer):
        writer.close()

    addresses("127.0.0.1")
    server = await asyncio.start_server(over_tls, "127.0.0.1", 0, ssl=server_tls())
    port = server.sockets[0].getsockname()[1]
    wire = Client(Limits(), trusting_tls())
    try:
        with pytest.raises(TargetFailure) as caught:
            await wire.request(URL(f"https://app.example:{port}"), ASK)
    finally:
        await wire.close()
        server.close()

    assert "tls_failed" == caught.value.verdict.error_class
    assert "the certificate is not trusted" in caught.value.verdict.error


async def test_a_name_that_ends_with_a_dot_is_the_same_name(addresses):
    addresses("127.0.0.1")
    async with target(answering(204), server_tls()) as there:
        wire = Client(Limits(), trusting_tls())
        answer = await wire.request(URL(there.url).with_host("localhost."), ASK)
        await wire.close()

    assert 204 == answer.status


async def test_requests_do_not_wait_for_each_others_acknowledgement():
    async with raw_target(answer_all) as there, wire_with() as wire:
        await wire.request(URL(there.url), ASK)
        (line,) = wire._connections._lines

        assert 0 < line._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_target_with_an_address_of_version_six_is_reached():
    try:
        server = await asyncio.start_server(answer_all, "::1", 0)
    except OSError:  # a machine without it
        async with wire_with() as wire:
            with pytest.raises(TargetFailure, match="no connection"):
                await wire.request(URL("http://[::1]:9"), ASK)
        return
    try:
        async with wire_with() as wire:
            answer = await wire.request(URL(f"http://[::1]:{server.sockets[0].getsockname()[1]}"), ASK)
    finally:
        server.close()

    assert 200 == answer.status
