"""One try, whoever wants it: the same rules for items of backfills and for attempts outside of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.events import TryEnded
from backfilld.executors.base import Work

pytestmark = pytest.mark.usefixtures("short_leases")  # what is due is looked for as often, too
UNCOUNTED = [VerdictKind.UNREACHABLE, VerdictKind.THROTTLED]
Made = Callable[[Any, int], Awaitable[Callable[[Engine], Awaitable[str]]]]


async def an_item(pool: Any, most: int) -> Callable[[Engine], Awaitable[str]]:
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_attempts=most)

    async def ended(engine: Engine) -> str:
        await engine.until(backfill, "completed", "completed_with_failures")
        return next(iter(await engine.outcomes(backfill)))

    return ended


async def an_attempt(pool: Any, most: int) -> Callable[[Engine], Awaitable[str]]:
    ids = await make_attempts(pool, max_attempts=most)

    async def ended(engine: Engine) -> str:
        (attempt,) = await all_ended(engine, ids)
        return {"error": "failed", "success": "succeeded"}[attempt.status]

    return ended


KINDS = pytest.mark.parametrize("made", [an_item, an_attempt])
UNCOUNTED_KINDS = pytest.mark.parametrize(
    ("made", "kind"),
    [
        *zip((an_item, an_attempt), UNCOUNTED, strict=True),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in zip((an_attempt, an_item), UNCOUNTED, strict=True)),
    ],
)


@UNCOUNTED_KINDS
async def test_what_is_the_targets_fault_counts_once_others_have_succeeded_since_the_last_failure(
    dsn, pool, made: Made, kind: VerdictKind
):
    engines: list[Engine] = []

    async def script(work: Work) -> Verdict:
        health = engines[0].tools.targets.health("http://target")
        note = lambda: health.note(SUCCEEDED, (99, 99), probe=False)  # noqa: E731
        asyncio.get_running_loop().call_later(0.001, note)  # between this failure and the next try
        return Verdict(kind, error_class="connection_reset", retry_after_seconds=0 if kind == "throttled" else None)

    ended = await made(pool, 3)
    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor, ListSource(entities(1))) as engine:
        engines.append(engine)
        outcome = await ended(engine)

    assert "failed" == outcome
    assert 4 == len(executor.starts)  # the first one happened before anybody had succeeded


@UNCOUNTED_KINDS
async def test_what_is_the_targets_fault_never_counts_while_nobody_succeeds(dsn, pool, made: Made, kind: VerdictKind):
    def script(work: Work) -> Verdict:
        if work.attempt == 6:
            return SUCCEEDED
        return Verdict(kind, error_class="connection_reset", retry_after_seconds=0 if kind == "throttled" else None)

    ended = await made(pool, 1)
    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor, ListSource(entities(1))) as engine:
        outcome = await ended(engine)

    assert "succeeded" == outcome
    assert 6 == len(executor.starts)


@KINDS
async def test_ones_own_success_is_nobody_elses(dsn, pool, made: Made):
    """A success of the very same item, told late, does not make its failures count."""
    engines: list[Engine] = []

    def script(work: Work) -> Verdict:
        if work.attempt == 4:
            return SUCCEEDED
        health = engines[0].tools.targets.health("http://target")
        place = (engines[0].place, 0) if made is an_item else (0, int(work.session["attempt_id"]))
        health.note(SUCCEEDED, place, probe=False)
        return Verdict(VerdictKind.UNREACHABLE, error_class="connection_reset")

    ended = await made(pool, 1)
    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor, ListSource(entities(1))) as engine:
        engine.place = await pool.fetchval("SELECT max(number) FROM backfills")
        engines.append(engine)

        assert "succeeded" == await ended(engine)


@KINDS
async def test_an_executor_that_breaks_is_a_try_that_failed(dsn, pool, made: Made):
    def script(work: Work) -> Verdict:
        raise KeyError("a bug")

    ended = await made(pool, 2)
    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor, ListSource(entities(1))) as engine:
        outcome = await ended(engine)
        told = [event for event in engine.events if isinstance(event, TryEnded)]

    assert ("failed", 2) == (outcome, len(executor.starts))
    assert ["executor_error"] * 2 == [event.error_class for event in told]


@KINDS
async def test_every_try_is_told_of_with_what_it_came_to(dsn, pool, made: Made):
    def script(work: Work) -> Verdict:
        return SUCCEEDED if work.attempt == 2 else Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")

    ended = await made(pool, 3)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(1))) as engine:
        await ended(engine)
        told = [event for event in engine.events if isinstance(event, TryEnded)]

    assert [("try_again", "http_500", None), ("succeeded", None, "succeeded")] == [
        (event.kind, event.error_class, event.outcome) for event in told
    ]
    assert {"http://target"} == {event.target for event in told}
    assert {made is an_item} == {event.backfill_id is not None for event in told}
