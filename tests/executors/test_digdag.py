"""Sessions as attempts of a digdag server (0.10.6): one per session and name, found again, waited for, and read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.fake_engines.digdag import TOKEN, Digdag
from tests.fake_psa.serving import serving
from tests.support.executing import FreePermit, HurryingClock, ShutPermit, work
from tests.support.waiting import eventually

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.executors.base import Executor, NotPermitted, Work
from backfilld.executors.definitions.engines import DigdagExecutor as Definition
from backfilld.executors.digdag.connection import DigdagConnection, Terms
from backfilld.executors.digdag.engine import DigdagEngine
from backfilld.executors.digdag.pace import Pace
from backfilld.executors.secrets import SecretStore

V = VerdictKind
AT = "2027-02-27T00:00:00+00:00"
KEY = work().idempotency_key


def session(name: str = "again", **changes: Any) -> Work:
    known = {"session_time": AT, "retry_attempt_name": name}
    return work(session=known, params={"x": 1}, **changes)


@pytest.fixture
async def there() -> AsyncIterator[Digdag]:
    async with serving(Digdag()) as fake:
        assert isinstance(fake, Digdag)

        yield fake


@pytest.fixture
def held() -> list[Reason | None]:
    return []


@pytest.fixture
async def make(there: Digdag, held: list[Reason | None]) -> AsyncIterator[Callable[..., Executor]]:
    engines: list[DigdagEngine] = []

    def made(workflow_id: str = "51", **changes: Any) -> Executor:
        terms = Terms(
            "wf", changes.pop("url", there.url), auth=("key", "TD1", None), requests_per_minute=10**6, **changes
        )
        connection = DigdagConnection(terms, SecretStore({"key": TOKEN.removeprefix("TD1 ")}), HurryingClock())
        engines.append(DigdagEngine(connection, HurryingClock(), lambda _, __, reason: held.append(reason)))
        keys = {"engine": "wf", "project": "reports", "workflow": "daily", "workflow_id": workflow_id}
        return engines[-1].executor(Definition(type="digdag", **keys))

    yield made
    for engine in engines:
        await engine.close()


def told(verdict: Verdict) -> tuple[Any, ...]:
    return verdict.kind, verdict.error_class


async def test_a_session_is_an_attempt_there_and_its_end_is_read(make: Any, there: Digdag) -> None:
    permit = FreePermit()
    verdict = await make().execute(session(), permit)
    [attempt] = there.attempts

    assert (V.SUCCEEDED, 1) == (verdict.kind, permit.started)
    assert ("again", AT, {"x": 1, "backfilld_key": KEY}) == (
        attempt["retryAttemptName"], attempt["sessionTime"], attempt["params"],
    )  # fmt: skip
    assert f'{{"attempt_id":"1","session_id":"{AT}"}}' == verdict.result


@pytest.mark.parametrize(
    ("end", "expected"), [("error", (V.FAILED, "attempt_failed")), ("success", (V.SUCCEEDED, None))]
)
async def test_a_repeat_finds_the_attempt_of_the_first(
    make: Any, there: Digdag, end: str, expected: tuple[Any, ...]
) -> None:
    there.ends = [end]
    verdicts = [await make().execute(session(attempt=attempt), FreePermit()) for attempt in (1, 1, 2)]

    assert [expected] * 3 == [told(verdict) for verdict in verdicts]
    assert 1 == len(there.attempts)


async def test_a_start_whose_answer_is_lost_is_found(make: Any, there: Digdag) -> None:
    there.loses = 3
    permit = FreePermit()
    verdict = await make().execute(session(), permit)

    assert (V.SUCCEEDED, 1, 1) == (verdict.kind, len(there.attempts), permit.started)


async def test_an_attempt_of_somebody_else_fails_a_name_that_was_asked_for(make: Any, there: Digdag) -> None:
    there.add(AT, "again", {"backfilld_key": "another"})
    verdict = await make().execute(session(), FreePermit())

    assert (V.FAILED, "attempt_exists") == told(verdict)


async def test_without_a_name_the_attempt_of_somebody_else_is_waited_for_and_the_session_skipped(
    make: Any, there: Digdag
) -> None:
    there.add(AT, None, {})
    verdict = await make().execute(session(""), FreePermit())

    assert V.SKIPPED is verdict.kind
    assert (verdict.message or "").startswith("already_run: attempt 1 ")
    assert there.attempts[0]["done"]


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "Too many attempts running. Limit: 100, Current: 100", (V.THROTTLED, "http_400")),
        (400, "sessionTime", (V.FAILED, "http_400")),
        (401, "unauthorized", (V.REFUSED, "http_401")),
        (404, "Resource does not exist: workflow id=51", (V.REFUSED, "workflow_missing")),
        (429, "slow down", (V.THROTTLED, "http_429")),
        (500, "oops", (V.TRY_AGAIN, "http_500")),
        (503, "away", (V.UNREACHABLE, "http_503")),
    ],
)
async def test_what_else_the_server_may_say_to_a_start(
    make: Any, there: Digdag, status: int, message: str, expected: tuple[Any, ...]
) -> None:
    there.reply(status, {"message": message, "status": status})
    verdict = await make().execute(session(), FreePermit())

    assert expected == told(verdict)
    assert message in (verdict.error or "")


async def test_a_server_that_is_away_fails_nothing_and_is_told_of_while_attempts_run(
    make: Any, there: Digdag, held: list[Reason | None]
) -> None:
    down = await make(url="http://127.0.0.1:1").execute(session(), FreePermit())
    there.looks = 10**9
    real, answers = there._attempt, iter([503, 502, 500])

    async def limping(request: Any) -> Any:
        from aiohttp import web

        status = next(answers, None)
        there.looks = 1
        there.attempts[0]["left"] = 1
        return await real(request) if status is None else web.json_response({"message": "away"}, status=status)

    there._attempt = limping  # type: ignore[method-assign]
    async with serving(there):
        verdict = await make(url=there.url).execute(session(), FreePermit())
        await eventually(lambda: held[-1:] == [None])

    assert ((V.UNREACHABLE, "connect_failed"), V.SUCCEEDED) == (told(down), verdict.kind)
    assert [ReasonCode.ENGINE_UNREACHABLE, None] == [None if one is None else one.code for one in held]


async def test_many_that_run_are_asked_for_in_pages(make: Any, there: Digdag) -> None:
    executor = make()
    all_of_them = [
        work(session={"session_time": f"2027-01-{day:02}T00:00:00+00:00", "retry_attempt_name": "again"},
             idempotency_key=f"k{day}")
        for day in range(1, 29)
    ]  # fmt: skip
    there.looks = 4
    verdicts = await asyncio.gather(*(executor.execute(one, FreePermit()) for one in all_of_them))
    looks = [one.path for one in there.asked if one.method == "GET"]

    assert {V.SUCCEEDED} == {verdict.kind for verdict in verdicts}
    assert len(looks) < len(all_of_them)
    assert "/api/attempts" in looks


async def test_two_who_wait_for_one_attempt_do_not_depend_on_each_other(make: Any, there: Digdag) -> None:
    there.looks = 10**9
    there.add(AT, None, {})
    executor = make()
    one, other = (asyncio.create_task(executor.execute(session("", idempotency_key=k), FreePermit())) for k in "ab")
    await eventually(lambda: there.paths().count("/api/attempts/1") > 2)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    there.attempts[0]["left"] = 1

    assert V.SKIPPED is (await other).kind


async def test_an_answer_that_cannot_be_read_ends_no_wait(make: Any, there: Digdag, held: list[Reason | None]) -> None:
    there.looks = 10**9
    executor = make()
    trying = asyncio.create_task(executor.execute(session(), FreePermit()))
    await eventually(lambda: "/api/attempts/1" in there.paths())
    there.attempts[0]["id"] = "one"
    await eventually(lambda: bool(held))
    there.attempts[0] |= {"id": "1", "left": 1}

    assert V.SUCCEEDED is (await trying).kind


async def test_what_nobody_wants_any_more_is_killed_there(make: Any, there: Digdag) -> None:
    there.looks = 10**9
    executor = make()
    trying = asyncio.create_task(executor.execute(session(), FreePermit()))
    await eventually(lambda: "/api/attempts/1" in there.paths())
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    await executor.stop(session())
    await executor.stop(session())
    verdict = await executor.execute(session(), FreePermit())

    assert ["1"] == there.killed
    assert (V.FAILED, "attempt_killed") == told(verdict)


async def test_what_was_cut_off_before_its_answer_came_is_found_and_killed(make: Any, there: Digdag) -> None:
    there.add(AT, "again", {"backfilld_key": "another"})
    there.add(AT, "once more", {"backfilld_key": KEY})
    await make().stop(session("once more"))

    assert ["2"] == there.killed


async def test_a_closed_gate_starts_nothing_and_costs_nothing(make: Any, there: Digdag) -> None:
    executor = make()
    with pytest.raises(NotPermitted):
        await executor.execute(session(), ShutPermit())

    assert [] == there.attempts


async def test_an_entity_is_no_session(make: Any) -> None:
    verdict = await make().execute(work(), FreePermit())

    assert (V.FAILED, "not_supported") == told(verdict)


async def test_requests_keep_to_the_pace() -> None:
    clock = HurryingClock()
    pace = Pace(2, 5, clock)
    for _ in range(2):
        await pace.take()
    third = asyncio.create_task(pace.take())
    await eventually(lambda: bool(clock.slept))
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)

    assert 59 < clock.slept[0] <= 60
