"""Each limit one below, at, and one above, with skips in between, and with a restart in the middle."""

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.engine.test_runs import resolved
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities

from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.executors.base import Work
from backfilld.store.connection.pool import Pool

SKIPPED = Verdict(VerdictKind.SKIPPED)
FAILED = Verdict(VerdictKind.FAILED, error_class="http_422")
AGAIN = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")
BY_LETTER = {"S": SUCCEEDED, "F": FAILED, "A": AGAIN}
Answer = Callable[[int, int], Verdict]  # for the n-th item at its n-th start, from 0
ENDED = ("completed", "completed_with_failures", "paused")


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


async def run(
    dsn: Any, pool: Pool, items: int, answer: Answer, stops_at: int | None, **settings: Any
) -> tuple[Any, Progress]:
    """One item after the other; the daemon ends while the item `stops_at` is in flight (None: any), and another one
    goes on."""
    backfill: Backfill = await make_backfill(pool, **resolved(max_in_flight=1, **settings))
    starts: Counter[int] = Counter()
    stopped = asyncio.Event()

    def script(work: Work) -> Verdict:
        n = int(work.entity_id[1:])
        starts[n] += 1
        return answer(n, starts[n] - 1)

    async def first(work: Work) -> Verdict:
        if stops_at in (None, int(work.entity_id[1:])):
            stopped.set()
            await asyncio.Event().wait()  # until it is cut off
        return script(work)

    source = ListSource(entities(items))
    async with engine_on(dsn, pool, ScriptedExecutor(first), source):
        async with asyncio.timeout(20):
            await stopped.wait()
    async with engine_on(dsn, pool, ScriptedExecutor(script), source) as engine:
        row = await engine.until(backfill, *ENDED)
        return row, await engine.progress(backfill)


def between_skips(results: str) -> Answer:
    """Every other item is skipped; the others end as the letters say, and then they succeed."""

    def answer(n: int, _: int) -> Verdict:
        if n % 2:
            return SKIPPED
        return BY_LETTER[results[n // 2]] if n // 2 < len(results) else SUCCEEDED

    return answer


IN_A_ROW = FailurePolicy(window=50, min_sample=50, max_consecutive_failures=5)
OF_FOUR = FailurePolicy(window=50, min_sample=4, max_failure_ratio=0.5, max_consecutive_failures=50)
LAST_FOUR = FailurePolicy(window=4, min_sample=4, max_failure_ratio=0.5, max_consecutive_failures=50)


@pytest.mark.parametrize(("policy", "results", "counted"), [
    slow(IN_A_ROW, "FFFF", None), (IN_A_ROW, "FFFFF", 5), slow(IN_A_ROW, "FFFFFF", 5),
    slow(IN_A_ROW, "FFFFSFFFF", None), slow(IN_A_ROW, "SFFFFF", 6),
    slow(OF_FOUR, "FSF", None), (OF_FOUR, "FSFS", None), (OF_FOUR, "FSFF", 4), slow(OF_FOUR, "FFF", 4),
    slow(OF_FOUR, "FSFSF", 5),
    slow(LAST_FOUR, "FSSFSSFSSF", None), slow(LAST_FOUR, "SSSSFFS", None), slow(LAST_FOUR, "SSSSFFSF", 8),
])  # fmt: skip
async def test_a_policy_counts_over_a_restart_and_past_skips(dsn, pool, policy, results, counted):
    """Stopped with so many that succeeded or failed; None: never."""
    row, progress = await run(dsn, pool, 24, between_skips(results), 6, failure_policy=policy)

    if counted is None:
        assert ("completed_with_failures", 24) == (row.status, progress.processed)
    else:
        assert ReasonCode.TOO_MANY_FAILURES is row.reason.code
        assert counted == progress.succeeded + progress.failed


@pytest.mark.parametrize(("cap", "ends"), [(9, 9), slow(9.5, 9), (10, None), slow(11, None)])
async def test_credits_are_counted_over_a_restart_and_skips_cost_as_others(dsn, pool, cap, ends):
    """Ten items at 1 each; with the cap of 10 nothing is left that could be too much."""
    row, progress = await run(
        dsn, pool, 10, between_skips("S"), 4, max_credits=cap, credits_per_entity=Decimal(1)
    )  # fmt: skip

    assert (ends or 10, ends or 10) == (progress.processed, progress.credits_used)
    assert ("completed" if ends is None else "paused") == row.status


@pytest.mark.parametrize(("failures", "status"), [
    (2, "completed"), (3, "completed_with_failures"), slow(4, "completed_with_failures"),
])  # fmt: skip
async def test_tries_are_counted_over_a_restart(dsn, pool, failures, status):
    """The item 2 fails so often, and may be tried three times; it has been tried when the daemon ends."""
    tries: Counter[int] = Counter()

    def answer(n: int, start: int) -> Verdict:
        tries[n] += 1
        if n != 2:
            return SKIPPED if n % 2 else SUCCEEDED
        return AGAIN if start < failures else SUCCEEDED

    row, progress = await run(dsn, pool, 8, answer, 5, max_attempts=3)

    assert (status, 8) == (row.status, progress.processed)
    assert min(failures + 1, 3) == tries[2]


@pytest.mark.parametrize("sample_size", [slow(1), 3, slow(4)])
async def test_a_sample_is_counted_over_a_restart(dsn, pool, sample_size):
    """The first of it is in flight when the daemon ends."""
    row, progress = await run(dsn, pool, 4, between_skips("S"), None, sample_size=sample_size)

    assert sample_size == progress.processed
    assert ReasonCode.SAMPLE_DONE is row.reason.code if sample_size < 4 else row.status == "completed"
