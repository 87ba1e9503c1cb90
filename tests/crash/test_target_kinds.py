"""One way after the other in which a target can misbehave: what becomes of the items, what it is called, what it costs.

The tries of each item are read from the ledger, so that "does not count" and "counts" are told apart; and the daemon's
memory is looked at whenever a backfill has ended.
"""

import asyncio
import itertools
import json
import signal
import socket
import struct
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change
from tests.support.bent_world import BentWorld
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.targets import CERTIFICATE, RENEWED, answering, raw_target, read_request, server_tls
from tests.support.targets import target as web_target
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ENTITIES = [f"T{number:03}" for number in range(8)]
POISONED = ENTITIES[:2]
MOST_GROWTH_BYTES = 16 << 20
LAST_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"
HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"status": "succ'
GIGABYTE = 1 << 30


class Judged:
    """A backfill over ENTITIES, from before its first start to its end."""

    def __init__(self, daemon, dsn, *, max_attempts):
        self.daemon, self.dsn, self.max_attempts = daemon, dsn, max_attempts

    async def begin(self, url, *, timeout_seconds=10.0, **plan):
        """Start a daemon whose target is at `url`, and the backfill."""
        workflow = {"timeout_seconds": timeout_seconds}
        self.daemon.configure(replace(self.daemon.plan, target=url, workflow=workflow, **plan))
        await self.daemon.start()
        await self.daemon.upload(ENTITIES)
        self.memory_before = self.daemon.memory_bytes()
        self.id = await self.daemon.create(max_in_flight=5, max_attempts=self.max_attempts)

    async def reason(self, code):
        """Why it stands still, once that is `code`."""

        async def found():
            reason = (await self.daemon.backfill(self.id))["status_reason"]
            return reason if reason and reason["code"] == code else None

        return await eventually(found)

    async def ends(self, status):
        """Each item with all its tries, once the backfill has ended with this status and its accounts agree."""
        ended = await self.daemon.ends(self.id)
        grown = self.daemon.most_memory_bytes() - self.memory_before
        await assert_exact(self.daemon, self.dsn, self.id, planned=len(ENTITIES))

        assert status == ended["status"]
        assert grown < MOST_GROWTH_BYTES
        return {id: await self.entry(id) for id in ENTITIES}

    async def entry(self, entity_id):
        return (await self.daemon.client.get_ledger_item(self.id, entity_id))["entity"]


def assert_all_succeeded(entries):
    assert {"succeeded": len(ENTITIES)} == Counter(entry["status"] for entry in entries.values())


def failures_of(entries):
    """How often each error stands in the ledger, over all tries."""
    tries = itertools.chain.from_iterable(entry["tries"] for entry in entries.values())
    return Counter(one["error_class"] for one in tries if one["error_class"])


# Tries that count: the request was on its way


async def hang(writer):
    await asyncio.Event().wait()


async def say(writer, some):
    writer.write(some)
    await writer.drain()


async def close_in_the_head(writer):
    await say(writer, HALF_A_HEAD)
    writer.write_eof()


async def close_in_the_body(writer):
    await say(writer, HALF_A_BODY)
    writer.write_eof()


async def reset(writer):
    """With SO_LINGER 0 the close that follows is a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def reset_in_the_body(writer):
    await say(writer, HALF_A_BODY)
    await reset(writer)


async def drip(writer):
    for byte in LAST_ANSWER:
        await say(writer, bytes([byte]))
        await asyncio.sleep(1.0)


COUNTING = {
    "hangs": (hang, 0.5, "timeout"),
    "closes-in-the-head": (close_in_the_head, 10.0, "reset"),
    "closes-in-the-body": (close_in_the_body, 10.0, "reset"),
    "resets": (reset, 10.0, "reset"),
    "resets-in-the-body": (reset_in_the_body, 10.0, "reset"),
    "drips": (drip, 1.5, "timeout"),
}


@pytest.mark.parametrize(("misbehave", "timeout_seconds", "error_class"), COUNTING.values(), ids=COUNTING)
async def test_a_try_that_the_target_breaks_off_counts_and_is_repeated_under_the_same_key(
    daemon, dsn, misbehave, timeout_seconds, error_class
):
    seen = []

    async def handler(reader, writer):
        entity, attempt, key = told(await read_request(reader))
        seen.append((entity, key))
        await (misbehave(writer) if entity in POISONED or attempt == 1 else say(writer, LAST_ANSWER))

    async with raw_target(handler) as there:
        judged = Judged(daemon, dsn, max_attempts=2)
        await judged.begin(there.url, timeout_seconds=timeout_seconds)
        entries = await judged.ends("completed_with_failures")

    assert POISONED == [id for id, entry in entries.items() if entry["status"] == "failed"]
    assert {(error_class, 2)} == {(entries[id]["error_class"], entries[id]["attempts"]) for id in POISONED}
    assert {2} == {entry["attempts"] for entry in entries.values()}
    assert {error_class: len(ENTITIES) + len(POISONED)} == failures_of(entries)
    assert len(ENTITIES) == len(set(seen)) == len({key for _, key in seen})
    assert 2 * len(ENTITIES) == len(seen)


def told(request):
    head, _, body = request.partition(b"\r\n\r\n")
    document = json.loads(body)
    key = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"idempotency-key:"))
    return document["entity"]["id"], document["attempt"], key


# Tries that do not count: nothing happened at the target


async def test_a_name_that_does_not_resolve_is_waited_for_and_no_try_counts(daemon, target, dsn, scratch):
    world = BentWorld(scratch / "world.json")
    daemon.live_in(world)
    judged = Judged(daemon, dsn, max_attempts=1)
    await judged.begin(target.url.replace("127.0.0.1", "app.test"))
    reason = await judged.reason("target_unreachable")
    world.bend(hosts={"app.test": "127.0.0.1"})
    entries = await judged.ends("completed")

    assert "http://app.test" in reason["message"]
    assert "cannot be resolved" in reason["message"]
    assert {"dns_failed"} == set(failures_of(entries))
    assert_all_succeeded(entries)
    assert len(ENTITIES) == len(target.calls)


async def test_a_certificate_that_is_not_trusted_is_waited_for_until_it_is_renewed(daemon, dsn):
    tls = server_tls(RENEWED)
    daemon.environment["SSL_CERT_FILE"] = str(CERTIFICATE)
    async with web_target(answering(), tls) as there:
        judged = Judged(daemon, dsn, max_attempts=1)
        await judged.begin(there.url)
        reason = await judged.reason("target_unreachable")
        seen_before = len(there.seen)
        tls.load_cert_chain(CERTIFICATE)
        entries = await judged.ends("completed")

        assert "the certificate is not trusted" in reason["message"]
        assert {"tls_failed"} == set(failures_of(entries))
        assert_all_succeeded(entries)
        assert (0, len(ENTITIES)) == (seen_before, len(there.seen))


@asynccontextmanager
async def proxy_before(app):
    """Hands each request on, and answers 502 where the application is not there."""

    async def handler(reader, writer):
        while True:
            request = await read_request(reader)
            try:
                there, back = await asyncio.open_connection("127.0.0.1", int(app.url.rpartition(":")[2]))
            except ConnectionError:
                await say(writer, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                continue
            await say(back, request)
            await say(writer, await there.readuntil(b"\r\n\r\n"))
            back.close()

    async with raw_target(handler) as proxy:
        yield proxy


async def test_a_proxy_whose_application_is_dead_is_waited_for_until_that_is_back(daemon, target, dsn):
    target.close()
    async with proxy_before(target) as proxy:
        judged = Judged(daemon, dsn, max_attempts=1)
        await judged.begin(proxy.url)
        reason = await judged.reason("target_unreachable")
        target.open()
        entries = await judged.ends("completed")

    assert reason["message"].startswith(f"The target {proxy.url} cannot be reached since ")
    assert {"http_502"} == set(failures_of(entries))
    assert_all_succeeded(entries)
    assert len(ENTITIES) == len(target.calls)
    assert_keys_never_change(target)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_storm_of_429_ends_no_item_and_nobody_is_asked_again_too_early(daemon, target, dsn, form):
    until = {}

    def overwhelmed(call):
        if form == "seconds":
            said, until[call.key, call.attempt] = "1", call.arrived_on + timedelta(seconds=1)
        else:
            said = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
            until[call.key, call.attempt] = parsedate_to_datetime(said)
        return Reply(429, headers={"Retry-After": said})

    target.script = overwhelmed
    judged = Judged(daemon, dsn, max_attempts=1)
    await judged.begin(target.url)
    reason = await judged.reason("rate_limited")
    await eventually(lambda: target.calls[-1].attempt > 1 and time.monotonic() - target.calls[-1].arrived_at > 0.2)
    target.script = lambda _: Reply()
    entries = await judged.ends("completed")
    repeated = [call for call in target.calls if call.attempt > 1]

    assert "asked us to slow down" in reason["message"]
    assert {"http_429"} == set(failures_of(entries))
    assert_all_succeeded(entries)
    assert [] == [call for call in repeated if call.arrived_on < until[call.key, call.attempt - 1]]
    assert_keys_never_change(target)


# We are refused, or sent elsewhere, or told too much


async def test_a_token_that_expired_holds_the_backfill_until_a_new_one_is_reloaded(daemon, target, dsn, scratch):
    secret = scratch / "token"
    secret.write_text("old-token")
    valid = {"old-token"}

    def guarded(call):
        if len(target.calls) > 4:
            valid.discard("old-token")
        return Reply(200 if call.headers["authorization"] in valid else 401)

    target.script = guarded
    headers = {"Authorization": {"secret": "token"}}
    judged = Judged(daemon, dsn, max_attempts=1)
    await judged.begin(target.url, secrets={"token": secret}, executor={"headers": headers})
    reason = await judged.reason("target_refuses")
    refused = sum(call.status == 401 for call in target.calls)
    meanwhile = await daemon.backfill(judged.id)
    valid.add("new-token")
    secret.write_text("new-token")
    daemon.signal(signal.SIGHUP)
    entries = await judged.ends("completed")
    renewed = [call for call in target.calls if call.headers["authorization"] == "new-token"]

    assert "refuses us since " in reason["message"]
    assert "HTTP 401" in reason["message"]
    assert (0, 0) == (meanwhile["failed_count"], meanwhile["retrying_count"])
    assert 1 <= refused <= 5  # whatever was in flight
    assert_all_succeeded(entries)
    assert {1} == {entry["attempts"] for entry in entries.values()}
    assert len(ENTITIES) - 4 == len(renewed)
    assert renewed[0].arrived_on < datetime.fromisoformat(reason["until"])  # at once, not at the next probe


async def test_a_redirect_fails_the_item_and_is_not_followed(daemon, target, dsn):
    async with LoggingTarget() as elsewhere:
        target.script = lambda _: Reply(307, headers={"Location": f"{elsewhere.url}/do"})
        judged = Judged(daemon, dsn, max_attempts=3)
        await judged.begin(target.url)
        entries = await judged.ends("completed_with_failures")

        assert {("failed", "redirect_not_followed", 307, 1)} == {
            (entry["status"], entry["error_class"], entry["http_status"], entry["attempts"])
            for entry in entries.values()
        }
        assert all(f"{elsewhere.url}/do" in entry["error"] for entry in entries.values())
        assert (len(ENTITIES), 0) == (len(target.calls), len(elsewhere.calls))


async def test_an_answer_of_a_gigabyte_is_a_success_that_is_left_unread(daemon, dsn):
    piece = b"x" * (1 << 20)
    written = 0

    async def flood(reader, writer):
        nonlocal written
        await read_request(reader)
        await say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
        for _ in range(GIGABYTE // len(piece)):
            await say(writer, piece)
            written += len(piece)

    async with raw_target(flood) as there:
        judged = Judged(daemon, dsn, max_attempts=1)
        await judged.begin(there.url)
        entries = await judged.ends("completed")

    assert_all_succeeded(entries)
    assert {"the answer is too long to be read; counted as a success"} == {
        entry["message"] for entry in entries.values()
    }
    assert written < len(ENTITIES) * (64 << 20)
