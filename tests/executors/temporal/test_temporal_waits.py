"""Nothing that happens to a connection ends a wait, and no queue without workers is fed."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.service import RPCStatusCode
from tests.executors.temporal.conftest import ScriptedConnection, completed, described, error
from tests.support.clock import FakeClock
from tests.support.executing import FreePermit, work

from backfilld.executors.secrets import SecretMissing
from backfilld.executors.temporal.failures import NotConnected
from backfilld.executors.temporal.outage import Outage
from backfilld.executors.temporal.pace import StartPace
from backfilld.executors.temporal.queues import Queues
from backfilld.executors.temporal.waiting import Waiting

GONE = error(RPCStatusCode.NOT_FOUND, "workflow not found for ID: x")
BROKEN = [
    *(error(status) for status in RPCStatusCode if status not in (RPCStatusCode.OK, RPCStatusCode.NOT_FOUND)),
    error(RPCStatusCode.NOT_FOUND, "Namespace backfills is not found."),
    NotConnected("away"),
    SecretMissing("temporal_key"),
]


@pytest.mark.parametrize("problem", BROKEN, ids=repr)
async def test_whatever_breaks_a_wait_off_it_is_taken_up_again(executor, script, problem):
    script.put("closing", problem, problem, completed(b"1"))
    script.put("describe", NotConnected("away"), described("RUNNING"))
    permit = FreePermit()
    verdict = await executor.execute(work(), permit)

    assert ("succeeded", "1", 1) == (verdict.kind, verdict.result, permit.started)
    assert 1 == len(script.calls("start"))


async def test_an_outage_is_told_with_its_beginning_and_its_end(executor, script, held):
    script.put("closing", error(RPCStatusCode.UNAVAILABLE, "transport error"), completed())
    await executor.execute(work(), FreePermit())

    assert [("engine:main", None), ("engine:main", None)] == [told[:2] for told in held]
    assert ["engine_unreachable", None] == [reason and reason.code for _, _, reason in held]
    assert "The engine main cannot be reached since" in held[0][2].message


@pytest.mark.parametrize("status", ["INTERNAL", "INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"])
async def test_what_may_be_about_one_run_holds_no_other(executor, script, held, status):
    script.put("closing", *[error(RPCStatusCode[status])] * 5, completed())
    verdict = await executor.execute(work(), FreePermit())

    assert ("succeeded", []) == (verdict.kind, held)


async def test_an_outage_lasts_until_what_waits_depend_on_is_back(executor, script, held):
    away = error(RPCStatusCode.UNAVAILABLE, "shard status unknown")
    script.put("closing", away, completed())
    script.put("describe", away, away, error(RPCStatusCode.NOT_FOUND, "workflow not found for ID: x"))
    await executor.execute(work(), FreePermit())

    assert 3 == len(script.calls("describe"))
    assert ["engine_unreachable", None] == [reason and reason.code for _, _, reason in held]


async def test_all_who_wait_through_an_outage_ask_by_one(script):
    clock, asked = FakeClock(), []

    async def ask():
        asked.append(clock.monotonic())
        if len(asked) < 3:
            raise NotConnected("away")

    told = []
    outage = Outage(clock, lambda problem, at: told.append(problem))
    waits = [asyncio.create_task(outage.over("reset", ask)) for _ in range(50)]
    await clock.advance(10)
    await asyncio.gather(*waits)

    assert ([1001.0, 1003.0, 1007.0], ["reset", None]) == (asked, told)


async def test_a_run_that_is_gone_is_tried_again(executor, script):
    script.put("closing", GONE)
    verdict = await executor.execute(work(), FreePermit())

    assert ("try_again", "workflow_gone") == (verdict.kind, verdict.error_class)


def following(kind: str, attributes: str) -> HistoryEvent:
    event = HistoryEvent(event_id=5, event_type=EventType.Value(f"EVENT_TYPE_WORKFLOW_EXECUTION_{kind}"))
    getattr(event, f"workflow_execution_{attributes}_event_attributes").new_execution_run_id = "r2"
    return event


@pytest.mark.parametrize(
    "first",
    [
        following("CONTINUED_AS_NEW", "continued_as_new"),
        following("FAILED", "failed"),
        following("TIMED_OUT", "timed_out"),
        following("COMPLETED", "completed"),
    ],
    ids=["continued as new", "retried there", "timed out and retried there", "the next of a series"],
)
async def test_a_run_that_goes_on_in_another_is_followed(executor, script, first):
    script.put("closing", first, completed(b"2"))
    verdict = await executor.execute(work(), FreePermit())

    assert ("succeeded", "2") == (verdict.kind, verdict.result)
    assert ["r1", "r2"] == [asked.run_id for asked in script.calls("closing")]


async def test_a_run_that_was_reset_there_is_followed(executor, script):
    ended = HistoryEvent(event_id=5, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED)
    script.put("closing", ended, completed(b"2"))
    script.put("describe", described("RUNNING", 1, "r2"))
    verdict = await executor.execute(work(), FreePermit())

    assert ("succeeded", "2") == (verdict.kind, verdict.result)


def waiting_on(script, clock, most):
    connection = ScriptedConnection(None, script)
    return Waiting(connection, Outage(clock, lambda *_: None), most, clock, draw=lambda: 0.5)


async def test_what_is_too_much_for_long_polls_is_asked_by_turns(script):
    clock, ended = FakeClock(), asyncio.Event()

    async def long():
        await ended.wait()
        return completed()

    async def turn():
        return completed() if clock.monotonic() > 1010 else None

    script.put("closing", long, turn)
    waiting = waiting_on(script, clock, most=1)
    first, second = (asyncio.create_task(waiting.closing_event(key, "r")) for key in "ab")
    await clock.advance(30)
    assert (True, False) == (second.done(), first.done())
    ended.set()
    await first

    assert [True, False, False, False] == [asked.wait for asked in script.calls("closing")]
    assert (0, 0) == (waiting.waiting, waiting.polling)


async def test_a_server_that_allows_fewer_long_polls_gets_no_more_than_that(script):
    clock = FakeClock()
    script.put(
        "closing", error(RPCStatusCode.RESOURCE_EXHAUSTED, "namespace concurrent poller limit exceeded"), completed()
    )
    waiting = waiting_on(script, clock, most=500)
    task = asyncio.create_task(waiting.closing_event("a", "r"))
    await clock.advance(0)
    assert 1 == waiting._allowed
    await clock.advance(10)
    await task

    assert 2 == waiting._allowed  # it is tried out again, one by one


async def test_a_queue_without_workers_is_told_and_so_is_its_first_worker(script):
    clock, told = FakeClock(), []
    queues = Queues(ScriptedConnection(None, script), clock, lambda *what: told.append(what), patience_seconds=60)
    script.put("pollers", [])
    with queues.waiting_on("enrich"):
        await clock.advance(55)
        assert [] == told
        await clock.advance(10)
        assert ["enrich"] == [queue for queue, since in told if since is not None]
        assert not queues.has_workers("enrich")
    await clock.advance(120)  # nobody waits, but it is held: so somebody has to look
    poller = PollerInfo()
    poller.last_access_time.FromSeconds(1)
    script.put("pollers", [poller])
    await clock.advance(10)

    assert ("enrich", None) == told[-1]
    assert (2, True) == (len(told), queues.has_workers("enrich"))
    await queues.close()


async def test_a_worker_that_asks_no_more_is_missed_though_it_is_still_shown(script):
    clock, told = FakeClock(), []
    queues = Queues(ScriptedConnection(None, script), clock, lambda *what: told.append(what), patience_seconds=5)
    poller = PollerInfo()
    poller.last_access_time.FromSeconds(1)
    script.put("pollers", [poller])
    with queues.waiting_on("enrich"):
        await clock.advance(70)
        assert [] == told
        await clock.advance(20)

    assert ["enrich"] == [queue for queue, _ in told]
    await queues.close()


async def test_many_items_on_a_queue_are_one_question_each_ten_seconds(script):
    clock = FakeClock()
    queues = Queues(ScriptedConnection(None, script), clock, lambda *_: None, patience_seconds=60)
    with queues.waiting_on("a"), queues.waiting_on("a"), queues.waiting_on("b"):
        await clock.advance(30)

    assert ["a", "b"] * 3 == script.calls("pollers")
    await queues.close()


async def test_starts_keep_their_pace_slow_down_and_recover():
    clock = FakeClock()
    pace = StartPace(10, clock.monotonic, clock.sleep)
    began, times = clock.monotonic(), []

    async def start():
        await pace.turn()
        times.append(round(clock.monotonic() - began, 3))

    starts = [asyncio.create_task(start()) for _ in range(5)]
    await clock.advance(1)
    await asyncio.gather(*starts)
    pace.slow_down()
    pace.slow_down()  # of the same burst
    slow = pace.rate
    await clock.advance(3)
    recovering = pace.rate
    await clock.advance(60)

    assert [0.0, 0.0, 0.1, 0.2, 0.3] == times
    assert (5.0, 8.0, 10.0) == (slow, recovering, pace.rate)
