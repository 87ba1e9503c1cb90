"""Targets that break, stall, lie or are not there."""

import asyncio
import gc
import socket
import struct
import tracemalloc

import pytest
from tests.support.executing import FreePermit, work
from tests.support.targets import answering, raw_target, read_request, server_tls, target, trusting_tls

from backfilld.executors.http.client import Limits
from backfilld.executors.registry import ExecutorOptions

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def verdict_against(executor_for, handler, *, options=None, timeout_seconds=5.0):
    async with raw_target(handler) as there:
        item = work(timeout_seconds=timeout_seconds)
        return await executor_for(there.url, options=options).execute(item, FreePermit())


async def test_nobody_listening_is_unreachable(executor_for):
    with socket.socket() as closed_again:
        closed_again.bind(("127.0.0.1", 0))
        port = closed_again.getsockname()[1]
    verdict = await executor_for(f"http://127.0.0.1:{port}").execute(work(), FreePermit())

    assert ("unreachable", "connect_failed") == (verdict.kind, verdict.error_class)
    assert f"http://127.0.0.1:{port}: no connection:" in verdict.error


async def test_a_name_that_nobody_knows_is_unreachable(executor_for):
    verdict = await executor_for("http://no-such-host.invalid").execute(work(), FreePermit())

    assert ("unreachable", "dns_failed") == (verdict.kind, verdict.error_class)


async def test_a_certificate_that_is_not_trusted_is_unreachable(executor_for):
    async with target(answering(), server_tls()) as there:
        verdict = await executor_for(there.url).execute(work(), FreePermit())

        assert ("unreachable", "tls_failed", []) == (verdict.kind, verdict.error_class, there.seen)
        assert "certificate" in verdict.error


async def test_a_server_without_tls_is_unreachable_over_https(executor_for):
    async def plain(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_target(plain) as there:
        verdict = await executor_for(there.url.replace("http:", "https:")).execute(work(), FreePermit())

        assert ("unreachable", "tls_failed") == (verdict.kind, verdict.error_class)


async def test_tls_works_with_a_certificate_that_is_trusted(executor_for):
    async with target(answering(200, {"status": "skipped"}), server_tls()) as there:
        executor = executor_for(there.url, options=ExecutorOptions(tls=trusting_tls()))
        permit = FreePermit()
        verdict = await executor.execute(work(), permit)

        assert ("skipped", 1) == (verdict.kind, permit.sent_times)


async def test_a_connection_that_takes_too_long_is_unreachable(executor_for):
    async def deaf(reader, writer):
        await asyncio.Event().wait()  # never answers the TLS greeting

    async with raw_target(deaf) as there:
        options = ExecutorOptions(limits=Limits(connect_seconds=0.05))
        verdict = await executor_for(there.url.replace("http:", "https:"), options=options).execute(
            work(), FreePermit()
        )

        assert ("unreachable", "connect_failed") == (verdict.kind, verdict.error_class)
        assert "no connection within 0.05 s" in verdict.error


async def test_the_time_limit_before_the_start_is_unreachable_too(executor_for):
    async def deaf(reader, writer):
        await asyncio.Event().wait()

    async with raw_target(deaf) as there:
        verdict = await executor_for(there.url.replace("http:", "https:")).execute(
            work(timeout_seconds=0.05), FreePermit()
        )

        assert ("unreachable", "connect_failed") == (verdict.kind, verdict.error_class)


async def test_a_fresh_connection_that_is_closed_without_an_answer_counts(executor_for):
    async def hang_up(reader, writer):
        await read_request(reader)

    verdict = await verdict_against(executor_for, hang_up)

    assert ("try_again", "reset") == (verdict.kind, verdict.error_class)


async def test_a_kept_connection_that_is_closed_without_an_answer_is_a_target_that_restarts(executor_for):
    async def answer_once(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)

    async with raw_target(answer_once) as there:
        executor = executor_for(there.url)
        await executor.execute(work(), FreePermit())
        verdict = await executor.execute(work(), FreePermit())
        again = await executor.execute(work(), FreePermit())

        assert ("unreachable", "connection_closed") == (verdict.kind, verdict.error_class)
        assert ("succeeded", 2) == (again.kind, there.connections)


async def test_a_kept_connection_that_breaks_inside_its_answer_counts(executor_for):
    async def answer_once_and_a_half(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with raw_target(answer_once_and_a_half) as there:
        executor = executor_for(there.url)
        await executor.execute(work(), FreePermit())
        verdict = await executor.execute(work(), FreePermit())

        assert ("try_again", "reset") == (verdict.kind, verdict.error_class)


def reset_at_close(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize(
    "part", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"]
)
async def test_an_answer_that_has_begun_and_breaks_counts(executor_for, part, kept, resets):
    async def break_off(reader, writer):
        if kept:
            await read_request(reader)
            writer.write(OK)
        await read_request(reader)
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.02)  # for it to be read: a reset overtakes it else
        if resets:
            reset_at_close(writer)

    async with raw_target(break_off) as there:
        executor = executor_for(there.url)
        if kept:
            await executor.execute(work(), FreePermit())
        verdict = await executor.execute(work(), FreePermit())

    assert ("try_again", "reset") == (verdict.kind, verdict.error_class)
    assert f"{there.url}: the connection broke in the middle of the answer" == verdict.error


async def test_a_connection_closed_while_idle_is_not_used_again(executor_for):
    async def answer_one(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await writer.drain()

    async with raw_target(answer_one) as there:
        executor = executor_for(there.url)
        await executor.execute(work(), FreePermit())
        await asyncio.sleep(0.02)  # for the news to arrive
        verdict = await executor.execute(work(), FreePermit())

        assert ("succeeded", 2) == (verdict.kind, there.connections)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_half_an_answer_counts(executor_for, answer):
    async def half(reader, writer):
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    verdict = await verdict_against(executor_for, half)

    assert ("try_again", "reset") == (verdict.kind, verdict.error_class)


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n\r\n", b"\0" * 100, b"HTTP/1.1 two hundred OK\r\n\r\n",
     b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
)  # fmt: skip
async def test_what_is_not_http_counts(executor_for, answer):
    async def speak(reader, writer):
        await read_request(reader)
        writer.write(answer)
        await reader.read(1)

    verdict = await verdict_against(executor_for, speak)

    assert ("try_again", "bad_answer") == (verdict.kind, verdict.error_class)


async def test_interim_answers_are_passed_over(executor_for):
    async def hint(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK)
        await reader.read(1)

    verdict = await verdict_against(executor_for, hint)

    assert "succeeded" == verdict.kind


async def test_an_answer_that_ends_with_the_connection_is_whole(executor_for):
    async def old_style(reader, writer):
        await read_request(reader)
        writer.write(b'HTTP/1.0 200 OK\r\n\r\n{"status": "skipped"}')
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    verdict = await verdict_against(executor_for, old_style)

    assert "skipped" == verdict.kind


async def test_a_target_that_never_answers_ends_with_the_time_limit(executor_for):
    async def silent(reader, writer):
        await reader.read(1 << 20)
        await asyncio.Event().wait()

    verdict = await verdict_against(executor_for, silent, timeout_seconds=0.05)

    assert ("try_again", "timeout") == (verdict.kind, verdict.error_class)
    assert verdict.error.endswith("no whole answer within 0.05 s")


async def drip(writer, head, drop, every=0.001):
    writer.write(head)
    while True:
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(every)


async def test_an_answer_that_drips_ends_with_the_time_limit(executor_for):
    async def slow(reader, writer):
        await read_request(reader)
        await drip(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ")

    verdict = await verdict_against(executor_for, slow, timeout_seconds=0.1)

    assert ("try_again", "timeout") == (verdict.kind, verdict.error_class)


async def test_a_head_that_never_ends_is_cut_off(executor_for):
    async def endless(reader, writer):
        await read_request(reader)
        await drip(writer, b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n" * 1000, every=0)

    verdict = await verdict_against(executor_for, endless)

    assert ("try_again", "bad_answer") == (verdict.kind, verdict.error_class)


async def test_an_answer_that_begins_and_stalls_does_not_keep_its_slot_to_the_end(executor_for):
    async def stall(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await asyncio.Event().wait()

    options = ExecutorOptions(limits=Limits(silence_seconds=0.05))
    verdict = await verdict_against(executor_for, stall, options=options, timeout_seconds=60)

    assert ("try_again", "timeout") == (verdict.kind, verdict.error_class)
    assert "stalled" in verdict.error


async def test_a_gigabyte_is_neither_read_nor_kept(executor_for):
    written = 0

    async def flood(reader, writer):
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(1024):
            writer.write(b"x" * 1_048_576)
            await writer.drain()
            written += 1

    gc.collect()
    tracemalloc.start()
    try:
        verdict = await verdict_against(executor_for, flood)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert ("succeeded", "the answer is too long to be read; counted as a success") == (verdict.kind, verdict.message)
    assert written < 64
    assert peak < 32_000_000
