"""What a real server says of what it does not like, and answers that are lost on their way."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError
from tests.crash.accounts import assert_exact
from tests.engines.dev_server import DevServer, WorkerProcess, counted
from tests.support.executing import FreePermit, work
from tests.support.waiting import eventually

from backfilld.executors.temporal.terms import TlsTerms

pytestmark = pytest.mark.engines


def item(**changes):
    return work(**{"idempotency_key": f"live_{uuid4().hex}", "attributes": {}, "timeout_seconds": 60.0} | changes)


SIZES = [
    (1_000_000, "succeeded", None),
    (1_600_000, "failed", "payload_too_large"),
    (5_000_000, "failed", "payload_too_large"),
]


@pytest.mark.parametrize(("size", "kind", "error_class"), SIZES)
async def test_what_is_too_large_fails_and_holds_nobody(server, worker, executor_on, size, kind, error_class):
    verdict = await executor_on(server).execute(item(attributes={"text": "x" * size}), FreePermit())

    assert (kind, error_class) == (verdict.kind, verdict.error_class)


@pytest.mark.parametrize("size", [2_200_000, 5_000_000])
async def test_what_the_server_finds_too_large_fails_too(server, worker, executor_on, monkeypatch, size):
    monkeypatch.setattr("backfilld.executors.temporal.executor.MOST_PAYLOAD_BYTES", 10_000_000)
    verdict = await executor_on(server).execute(item(attributes={"text": "x" * size}), FreePermit())

    assert ("failed", "payload_too_large") == (verdict.kind, verdict.error_class)


async def test_a_namespace_that_there_is_not_holds_the_backfill(server, executor_on):
    verdict = await executor_on(server, namespace="nowhere").execute(item(), FreePermit())

    assert ("refused", "engine_not_found") == (verdict.kind, verdict.error_class)


async def test_a_workflow_type_that_nobody_knows_times_out_and_says_so(server, worker, executor_on):
    verdict = await executor_on(server, workflow_type="Nonsense").execute(item(timeout_seconds=3.0), FreePermit())

    assert ("try_again", "workflow_timeout") == (verdict.kind, verdict.error_class)


async def test_a_run_that_nobody_takes_costs_nothing(server, executor_on):
    verdict = await executor_on(server, queue="nobody").execute(item(timeout_seconds=2.0), FreePermit())

    assert ("throttled", "no_workers", True) == (verdict.kind, verdict.error_class, verdict.is_uncounted) or (
        "workflow_timeout" == verdict.error_class  # our own clock was first: the next try reads it
    )


async def test_plain_text_and_tls_do_not_understand_each_other_and_say_so(server, executor_on):
    verdict = await executor_on(server, tls=TlsTerms()).execute(item(), FreePermit())

    assert ("refused", "engine_refused") == (verdict.kind, verdict.error_class)


async def test_an_engine_tells_what_it_is_and_what_should_not_stay_so(server, worker, executor_on):
    executor = executor_on(server)
    report = await executor._parts.test()
    away = await executor_on("127.0.0.1:1")._parts.test()

    assert (None, "default", "1") == (report.problem, report.facts["namespace"], report.facts["workers on enrich"])
    assert "closed runs are kept for 1 days" in report.warnings[0]
    assert away.problem is not None
    assert "Connection refused" in away.problem


async def test_two_who_start_the_same_try_at_once_start_it_once(server, worker, executor_on):
    first, second = executor_on(server), executor_on(server)
    keys = [f"race_{uuid4().hex}" for _ in range(20)]
    for attempt in (1, 2):
        tries = [
            executor.execute(item(idempotency_key=key, attempt=attempt, attributes={"fail_until": 2}), FreePermit())
            for key in keys
            for executor in (first, second)
        ]
        verdicts = await asyncio.gather(*tries)
        assert {"try_again" if attempt == 1 else "succeeded"} == {verdict.kind.value for verdict in verdicts}
    runs = await server.ended("race_", len(keys))

    assert {("failed", "completed"): len(keys)} == counted(runs)


async def test_a_run_that_was_removed_before_anybody_read_it_is_done_again(server, worker, executor_on):
    executor, this = executor_on(server), item()
    await executor.execute(this, FreePermit())
    service = await server.connection.open()
    execution = WorkflowExecution(workflow_id=this.idempotency_key)
    request = DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=execution)

    async def removed() -> bool:
        with suppress(RPCError):
            await service.delete_workflow_execution(request)  # again: the server may put one off for minutes
            await asyncio.sleep(0.5)
            await server.connection.describe(this.idempotency_key)
            return False
        return True

    await eventually(removed, seconds=120)
    verdict = await executor.execute(this, FreePermit())

    assert "succeeded" == verdict.kind


@asynccontextmanager
async def proxy(server: DevServer):
    """A way to the server on which `swallow` loses all answers, until it is cut."""
    host, port = server.address.split(":")
    writers, swallow = [], asyncio.Event()

    async def pump(reader, writer, *, answers: bool):
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not (answers and swallow.is_set()):
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def connected(reader, writer):
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writers.extend((writer, there_writer))
        await asyncio.gather(
            pump(reader, there_writer, answers=False), pump(there_reader, writer, answers=True), return_exceptions=True
        )

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}", swallow, writers
    finally:
        listening.close()
        for writer in writers:
            writer.close()


async def test_a_start_whose_answer_is_lost_is_the_run_that_the_next_one_finds(server, worker, executor_on):
    async with proxy(server) as (address, swallow, writers):
        executor, permit = executor_on(address), FreePermit()
        await executor.execute(item(), FreePermit())
        this = item(attributes={"seconds": 1})
        swallow.set()
        trying = asyncio.create_task(executor.execute(this, permit))
        await eventually(lambda: started(server, this.idempotency_key))
        was_sent = permit.sent_times
        swallow.clear()
        for writer in writers:
            writer.transport.abort()
        verdict = await trying
        runs = await server.ended(this.idempotency_key, 1)

    assert (0, "succeeded", 1) == (was_sent, verdict.kind, permit.started)
    assert {("completed",): 1} == counted(runs)


async def started(server, key) -> bool:
    with suppress(RPCError):
        await server.connection.describe(key)
        return True
    return False


async def test_a_namespace_that_throttles_slows_all_down_and_fails_nobody(scratch, world_on, dsn):
    limits = {"frontend.namespaceRPS": 30, "frontend.globalNamespaceRPS": 30, "frontend.namespaceCount": 20}
    server = DevServer(scratch, limits)
    worker = WorkerProcess(scratch, server)
    try:
        await server.start()
        await worker.start()
        world = await world_on(server, max_attempts=1)
        count = 120
        await world.upload({f"T{number:03}": {"seconds": 0.2} for number in range(count)})
        id = await world.create(max_in_flight=60)
        ended = await world.daemon.ends(id, seconds=150)
        found = await assert_exact(world.daemon, dsn, id, planned=count)

        async def counted_there() -> dict:
            with suppress(RPCError):
                return await server.runs(f"bf_{id}_")
            return {}

        runs = await eventually(counted_there)
    finally:
        worker.kill()
        server.kill()

    assert ("completed", Counter(succeeded=count)) == (ended["status"], found)
    assert {1} == {len(each) for each in runs.values()}
