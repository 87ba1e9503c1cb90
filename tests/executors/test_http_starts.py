"""The gate stands between the connection and the first byte."""

import asyncio
import socket

import pytest
import uvloop
from tests.support.executing import FreePermit, ShutPermit, work
from tests.support.targets import answering, raw_target, read_request, target

from backfilld.clock import SystemClock
from backfilld.executors.base import NotPermitted
from backfilld.executors.definitions.http import HttpExecutor as HttpDefinition
from backfilld.executors.http.client import Limits
from backfilld.executors.http.executor import HttpExecutor
from backfilld.executors.secrets import SecretStore

BIG = 20_000_000  # more than the kernel's buffers take
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def answer_all(reader, writer):
    while True:
        await read_request(reader)
        writer.write(OK)


async def test_a_closed_gate_lets_no_byte_out_of_a_fresh_connection(executor_for):
    async with raw_target(answer_all) as there:
        executor = executor_for(there.url)
        with pytest.raises(NotPermitted):
            await executor.execute(work(), ShutPermit())
        await executor.close()

        assert (1, b"") == (there.connections, bytes(there.received))


async def test_a_closed_gate_lets_no_byte_out_of_a_kept_connection(executor_for):
    async with raw_target(answer_all) as there:
        executor = executor_for(there.url)
        await executor.execute(work(), FreePermit())
        before = bytes(there.received)
        with pytest.raises(NotPermitted):
            await executor.execute(work(), ShutPermit())
        await executor.close()

        assert (1, before) == (there.connections, bytes(there.received))


async def test_a_connection_that_the_gate_kept_waiting_is_used_by_the_next_start(executor_for):
    async with raw_target(answer_all) as there:
        executor = executor_for(there.url)
        with pytest.raises(NotPermitted):
            await executor.execute(work(), ShutPermit())
        verdict = await executor.execute(work(), FreePermit())

        assert ("succeeded", 1) == (verdict.kind, there.connections)


async def test_the_gate_is_asked_once_and_told_that_all_is_sent(executor_for):
    async with target(answering()) as there:
        permit = FreePermit()
        await executor_for(there.url).execute(work(), permit)

        assert 1 == permit.started
        assert 1 <= permit.sent_times


async def test_the_gate_is_not_asked_before_there_is_a_connection(executor_for):
    with socket.socket() as closed_again:
        closed_again.bind(("127.0.0.1", 0))
        port = closed_again.getsockname()[1]
    permit = FreePermit()
    verdict = await executor_for(f"http://127.0.0.1:{port}").execute(work(), permit)

    assert ("unreachable", 0) == (verdict.kind, permit.started)


class Witness(FreePermit):
    """Looks into the target's inbox whenever it is called."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self.inbox: list[int] = []

    def start(self) -> None:
        super().start()
        self.inbox.append(self._waiting())

    def sent(self) -> None:
        super().sent()
        self.inbox.append(self._waiting())

    def _waiting(self) -> int:
        try:
            return len(self._sock.recv(1 << 20, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return 0


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
async def test_nothing_is_out_at_the_gate_and_everything_once_it_is_told_so(run):
    """The kernel is asked, inside the two calls: there is no turn of the loop between them."""
    inbox, whole = await asyncio.to_thread(run, what_the_kernel_held())

    assert [0, whole] == inbox


async def what_the_kernel_held() -> tuple[list[int], int]:
    """Bytes that had arrived at the two calls of the permit, and those of the whole request."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        executor = HttpExecutor(
            HttpDefinition(type="http", url=url), secrets=SecretStore(), clock=SystemClock(), limits=Limits()
        )
        with pytest.raises(NotPermitted):
            await executor.execute(work(), ShutPermit())  # leaves its connection for the next one
        inbox, _ = await loop.sock_accept(server)
        with inbox:
            permit = Witness(inbox)
            running = asyncio.create_task(executor.execute(work(), permit))
            await permit.was_sent.wait()
            whole = len(await loop.sock_recv(inbox, 1 << 20))
            await loop.sock_sendall(inbox, OK)
            await running
        await executor.close()
        return permit.inbox, whole


async def test_a_target_that_reads_slowly_delays_the_word_that_all_is_sent(executor_for):
    may_read = asyncio.Event()

    async def slow_reader(reader, writer):
        await may_read.wait()
        await read_request(reader)
        writer.write(OK)

    async with raw_target(slow_reader) as there:
        permit = FreePermit()
        big = work(attributes={"x": "y" * BIG})
        running = asyncio.create_task(executor_for(there.url).execute(big, permit))
        await permit.was_started.wait()
        await asyncio.sleep(0)
        sent_before = permit.sent_times
        may_read.set()
        verdict = await running

        assert ("succeeded", 0, 1) == (verdict.kind, sent_before, permit.sent_times)


async def test_an_answer_before_the_whole_request_is_read_counts(executor_for):
    async def impatient(reader, writer):
        await reader.read(1000)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await asyncio.Event().wait()

    async with raw_target(impatient) as there:
        verdict = await executor_for(there.url).execute(work(attributes={"x": "y" * BIG}), FreePermit())

        assert ("failed", "http_413") == (verdict.kind, verdict.error_class)


async def test_what_is_cut_off_is_not_sent_later(executor_for):
    may_read, all_read = asyncio.Event(), asyncio.Event()

    async def late_reader(reader, writer):
        await may_read.wait()
        try:
            while await reader.read(1 << 20):
                pass
        finally:
            all_read.set()

    async with raw_target(late_reader) as there:
        permit = FreePermit()
        running = asyncio.create_task(executor_for(there.url).execute(work(attributes={"x": "y" * BIG}), permit))
        await permit.was_started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        may_read.set()
        await asyncio.wait_for(all_read.wait(), 5)

        assert len(there.received) < BIG


async def test_cancelling_passes_and_closes_the_connection(executor_for):
    gone = asyncio.Event()

    async def silent(reader, writer):
        await read_request(reader)
        await reader.read(1)
        gone.set()

    async with raw_target(silent) as there:
        permit = FreePermit()
        running = asyncio.create_task(executor_for(there.url).execute(work(), permit))
        await permit.was_sent.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        await asyncio.wait_for(gone.wait(), 5)


async def test_a_hundred_at_a_time_share_nothing_but_the_pool(executor_for):
    async with raw_target(answer_all) as there:
        executor = executor_for(there.url)
        items = [work(entity_id=str(number)) for number in range(100)]
        verdicts = await asyncio.gather(*(executor.execute(item, FreePermit()) for item in items))

        assert {"succeeded"} == {verdict.kind for verdict in verdicts}
        assert 100 == bytes(there.received).count(b"POST / HTTP/1.1\r\n")
