"""One run per try: however often a start is repeated, and whatever was started before."""

import asyncio

import orjson
import pytest
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.service import RPCStatusCode
from tests.executors.temporal.conftest import completed, described, error, failed, started
from tests.support.executing import BACKFILL, FreePermit, ShutPermit, work

from backfilld.executors.base import NotPermitted
from backfilld.executors.temporal.failures import NotConnected

REJECT = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
FAILED_ONLY = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
ALREADY = RPCStatusCode.ALREADY_EXISTS


async def test_the_run_is_named_after_the_item_and_receives_it(executor, script):
    item = work(attempt=2, timeout_seconds=90.0)
    verdict = await executor.execute(item, FreePermit())
    sent = script.calls("start")[0]

    assert "succeeded" == verdict.kind
    assert (item.idempotency_key, f"{item.idempotency_key}/2") == (sent.workflow_id, sent.request_id)
    assert ("default", "Enrich", "enrich") == (sent.namespace, sent.workflow_type.name, sent.task_queue.name)
    assert 90 == sent.workflow_execution_timeout.seconds
    assert (WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, REJECT) == (
        sent.workflow_id_conflict_policy,
        sent.workflow_id_reuse_policy,
    )
    document = orjson.loads(sent.input.payloads[0].data)
    assert ("T-1", 2, item.idempotency_key) == (
        document["entity"]["id"],
        document["attempt"],
        document["idempotency_key"],
    )
    assert {"backfilld_attempt": b"2", "backfilld_backfill": f'"{BACKFILL}"'.encode()} == {
        name: payload.data for name, payload in sent.memo.fields.items()
    }


async def test_a_closed_gate_starts_nothing(executor, script):
    with pytest.raises(NotPermitted):
        await executor.execute(work(), ShutPermit())

    assert [] == script.calls("start")


async def test_the_gate_is_asked_once_before_the_start_and_told_once_it_is_answered(executor, script):
    permit = FreePermit()
    seen = []

    async def look():
        seen.append((permit.started, permit.sent_times))
        return started()

    script.put("start", look)
    await executor.execute(work(), permit)

    assert [(1, 0)] == seen
    assert (1, 1) == (permit.started, permit.sent_times)


async def test_nothing_is_awaited_between_the_gate_and_the_start(executor, script):
    steps = []
    loop = asyncio.get_running_loop()

    class Watched(FreePermit):
        def start(self):
            super().start()
            steps.append("gate")
            loop.call_soon(steps.append, "the loop turned")

    async def look():
        steps.append("start")
        await asyncio.sleep(0)
        return started()

    script.put("start", look)
    await executor.execute(work(), Watched())

    assert ["gate", "start", "the loop turned"] == steps


@pytest.mark.parametrize("problem", [NotConnected("away"), NotConnected("certificate", is_refused=True)], ids=str)
async def test_without_a_connection_the_gate_is_not_asked(executor, script, problem):
    script.put("open", problem)
    permit = FreePermit()
    verdict = await executor.execute(work(), permit)

    assert ("refused" if problem.is_refused else "unreachable", 0) == (verdict.kind, permit.started)


async def test_what_is_too_large_is_told_before_the_gate(executor, script):
    permit = FreePermit()
    verdict = await executor.execute(work(attributes={"text": "x" * 1_600_000}), permit)

    assert ("failed", "payload_too_large", 0) == (verdict.kind, verdict.error_class, permit.started)
    assert [] == script.calls("start")


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL", "ABORTED"])
async def test_a_start_whose_answer_is_lost_is_repeated_as_the_same_start(executor, script, status):
    script.put("start", error(RPCStatusCode[status]), error(RPCStatusCode[status]), started("r9"))
    permit = FreePermit()
    verdict = await executor.execute(work(), permit)
    asked = script.calls("start")

    assert ("succeeded", 1, 1) == (verdict.kind, permit.started, permit.sent_times)
    assert 3 == len(asked)
    assert 1 == len({request.SerializeToString(deterministic=True) for request in asked})


async def test_a_server_that_is_away_is_not_asked_again_by_the_same_try(executor, script):
    script.put("start", error(RPCStatusCode.UNAVAILABLE, "tcp connect error"))
    verdict = await executor.execute(work(), FreePermit())

    assert ("unreachable", True, 1) == (verdict.kind, verdict.is_uncounted, len(script.calls("start")))


async def test_a_run_that_is_under_way_is_waited_for(executor, script):
    script.put("start", started("r7", new=False))
    verdict = await executor.execute(work(attempt=2), FreePermit())

    assert ("succeeded", ["r7"]) == (verdict.kind, [asked.run_id for asked in script.calls("closing")])


OURS = [("COMPLETED", 1), ("COMPLETED", None), ("FAILED", 2), ("TIMED_OUT", 3), ("RUNNING", 1)]


@pytest.mark.parametrize(("status", "attempt"), OURS)
async def test_a_run_that_ended_meanwhile_is_read_and_not_repeated(executor, script, status, attempt):
    script.put("start", error(ALREADY))
    script.put("describe", described(status, attempt, "r5"))
    await executor.execute(work(attempt=2), FreePermit())

    assert 1 == len(script.calls("start"))
    assert ["r5"] == [asked.run_id for asked in script.calls("closing")]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "CANCELED", "TERMINATED"])
async def test_a_run_of_an_earlier_try_makes_room_for_this_one(executor, script, status):
    script.put("start", error(ALREADY), started("r6"))
    script.put("describe", described(status, 1))
    await executor.execute(work(attempt=2), FreePermit())

    assert [REJECT, FAILED_ONLY] == [asked.workflow_id_reuse_policy for asked in script.calls("start")]
    assert ["r6"] == [asked.run_id for asked in script.calls("closing")]


async def test_who_was_quicker_is_looked_at_again(executor, script):
    script.put("start", error(ALREADY), error(ALREADY))
    script.put("describe", described("FAILED", 1), described("COMPLETED", 2, "r8"))
    verdict = await executor.execute(work(attempt=2), FreePermit())

    assert ("succeeded", ["r8"]) == (verdict.kind, [asked.run_id for asked in script.calls("closing")])


async def test_a_race_that_nobody_wins_is_left_for_later(executor, script):
    script.put("start", error(ALREADY))
    script.put("describe", described("FAILED", 1))
    verdict = await executor.execute(work(attempt=2), FreePermit())

    assert ("unreachable", True, 3) == (verdict.kind, verdict.is_uncounted, len(script.calls("start")))


async def test_a_run_that_was_removed_before_anybody_looked_makes_room(executor, script):
    script.put("start", error(ALREADY), started("r6"))
    script.put("describe", error(RPCStatusCode.NOT_FOUND, "workflow not found for ID: x"))
    verdict = await executor.execute(work(attempt=2), FreePermit())

    assert ("succeeded", ["r6"]) == (verdict.kind, [asked.run_id for asked in script.calls("closing")])


async def test_a_namespace_that_throttles_slows_down_all_starts(executor, engine, script):
    script.put("start", error(RPCStatusCode.RESOURCE_EXHAUSTED, "namespace rate limit exceeded"))
    verdict = await executor.execute(work(), FreePermit())

    assert ("throttled", True) == (verdict.kind, verdict.is_uncounted)
    assert engine.pace.rate < 1e6


async def test_what_nobody_foresaw_after_the_gate_is_a_try_that_counts(executor, script):
    script.put("start", ValueError("a bug"))
    verdict = await executor.execute(work(), FreePermit())

    assert ("try_again", "internal", "ValueError: a bug") == (verdict.kind, verdict.error_class, verdict.error)


async def test_a_run_that_goes_on_too_long_is_left_for_the_next_try(executor, script):
    async def never():
        await asyncio.Event().wait()

    async def not_yet():
        return None

    script.put("closing", never, not_yet)
    verdict = await executor.execute(work(timeout_seconds=0.01), FreePermit())

    assert ("try_again", "workflow_timeout") == (verdict.kind, verdict.error_class)
    assert [True, False] == [asked.wait for asked in script.calls("closing")]


async def test_a_run_that_ended_in_the_last_moment_is_read(executor, script):
    async def never():
        await asyncio.Event().wait()

    async def in_time():
        return completed(b'{"rows": 1}')

    script.put("closing", never, in_time)
    verdict = await executor.execute(work(timeout_seconds=0.01), FreePermit())

    assert ("succeeded", '{"rows":1}') == (verdict.kind, verdict.result)


async def test_letting_go_leaves_the_run_alone_and_stopping_cancels_it(executor, script):
    async def never():
        await asyncio.Event().wait()

    script.put("closing", never)
    item, permit = work(), FreePermit()
    task = asyncio.create_task(executor.execute(item, permit))
    await permit.was_sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == script.calls("cancel")
    await executor.stop(item)

    assert [item.idempotency_key] == script.calls("cancel")


async def test_a_cancellation_that_fails_is_asked_for_twice_and_told_to_nobody(executor, script):
    script.put("cancel", error(RPCStatusCode.UNAVAILABLE))
    await executor.stop(work())

    assert 2 == len(script.calls("cancel"))


async def test_a_start_that_was_cut_off_is_cancelled_when_it_arrives(executor, script):
    async def never():
        await asyncio.Event().wait()

    script.put("start", never)
    item, permit = work(), FreePermit()
    task = asyncio.create_task(executor.execute(item, permit))
    await permit.was_started.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    script.put("cancel", *[error(RPCStatusCode.NOT_FOUND, "workflow not found")] * 5, None)
    await executor.stop(item)

    assert 6 == len(script.calls("cancel"))


async def test_the_log_of_a_session_names_the_run(executor, script):
    script.put("closing", failed(message="it broke"))
    verdict = await executor.execute(work(wants_log=True, session={"session_time": "x"}), FreePermit())

    assert f"run r1 of {work().idempotency_key} was started\nit broke\n" == verdict.log
