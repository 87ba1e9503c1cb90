"""The ledger as people read it: every entry once, in plan order, whichever way one looks."""

import pytest
from tests.support.backfills import make_backfill, make_workflow
from tests.support.clock import NOON
from tests.support.ledgers import MOMENT, insert_try, make_ledger

from backfilld.domain.backfills.records import Backfill
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.pages import LedgerPages

ENTRIES = {
    "a": "succeeded",
    "b": "failed:http_404",
    "c": "skipped",
    "d": "retrying:timeout",
    "e": "failed:timeout",
    "f": "cancelled",
    "g": "retrying:timeout",
    "h": "pending",
    "i": "pending",
    "j": "pending",
}
IN_FLIGHT = {6, 8}  # g, i


@pytest.fixture
def pages(pool: Pool) -> LedgerPages:
    return LedgerPages(pool)


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, ENTRIES)
    return backfill


EXPECTED = {
    (): "abcdefghij",
    ("succeeded",): "a",
    ("failed",): "be",
    ("skipped",): "c",
    ("cancelled",): "f",
    ("retrying",): "d",
    ("in_flight",): "gi",
    ("pending",): "hj",
    ("in_flight", "retrying"): "dgi",
    ("pending", "in_flight"): "ghij",
    ("failed", "pending"): "behj",
}


async def test_each_status_shows_its_entries_in_plan_order(pages: LedgerPages, backfill: Backfill) -> None:
    for statuses, expected in EXPECTED.items():
        found = await pages.list_page(backfill.number, statuses=statuses, limit=99, in_flight=IN_FLIGHT)

        assert expected == "".join(entry.entity_id for entry in found), statuses
        assert not statuses or {*statuses} == {entry.status for entry in found}


async def test_pages_of_one_join_to_the_whole(pages: LedgerPages, backfill: Backfill) -> None:
    for statuses, expected in EXPECTED.items():
        seen, behind = "", -1
        while page := await pages.list_page(
            backfill.number, statuses=statuses, behind=behind, limit=1, in_flight=IN_FLIGHT
        ):
            seen, behind = seen + page[0].entity_id, page[0].position

        assert expected == seen, statuses


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), "deg"),
        (("failed",), "e"),
        (("retrying",), "d"),
        (("succeeded", "pending"), ""),
        (("failed", "skipped"), "e"),
    ],
)
async def test_an_error_class_narrows_every_way_of_looking(
    pages: LedgerPages, backfill: Backfill, statuses: tuple[str, ...], expected: str
) -> None:
    found = await pages.list_page(
        backfill.number, statuses=statuses, error_class="timeout", limit=99, in_flight=IN_FLIGHT
    )

    assert expected == "".join(entry.entity_id for entry in found)


async def test_a_status_that_nothing_has_is_known_from_the_counters(
    pages: LedgerPages, pool: Pool, backfill: Backfill
) -> None:
    await pool.execute(
        "UPDATE backfill_progress SET skipped = 0, cancelled = 0, retrying = 0 WHERE backfill_number = $1",
        backfill.number,
    )
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE outcomes, retries, plan_items IN ACCESS EXCLUSIVE MODE")
        found = await pages.list_page(backfill.number, statuses=["skipped", "cancelled", "retrying"], limit=99)

    assert [] == found


async def test_the_successes_between_long_stretches_that_were_left_out_are_found_page_by_page(
    pages: LedgerPages, pool: Pool
) -> None:
    backfill = await make_backfill(pool)
    ran = {40, 41, 90}
    await make_ledger(pool, backfill, {f"e{n:02}": "pending" if n in ran else "skipped" for n in range(120)})
    await pool.execute(load("backfills.plans").note_gaps, backfill.number, 32)
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
        " SELECT $1, n, 'succeeded', $3, $3, 1 FROM unnest($2::integer[]) AS n",
        backfill.number, ran, NOON,
    )  # fmt: skip
    await pool.execute("UPDATE backfill_progress SET succeeded = 3 WHERE backfill_number = $1", backfill.number)
    seen, behind = [], -1
    while page := await pages.list_page(backfill.number, statuses=["succeeded"], behind=behind, limit=2):
        seen, behind = [*seen, *(entry.position for entry in page)], page[-1].position

    assert sorted(ran) == seen
    assert 2 <= await pool.fetchval("SELECT count(*) FROM plan_gaps WHERE backfill_number = $1", backfill.number)


async def test_an_entry_says_what_became_of_it(pages: LedgerPages, backfill: Backfill) -> None:
    done, failed = await pages.find(backfill.number, "a"), await pages.find(backfill.number, "b")

    assert done is not None
    assert failed is not None
    assert ("succeeded", 1, 250, {"label": "a"}, "done") == (
        done.status, done.attempts, done.duration_ms, done.result, done.message,
    )  # fmt: skip
    assert ("failed", "http_404", "no", None) == (failed.status, failed.error_class, failed.error, failed.result)
    assert None is await pages.find(backfill.number, "z")


async def test_the_tries_of_an_entry_end_with_the_final_one(pages: LedgerPages, pool: Pool, backfill: Backfill) -> None:
    await insert_try(pool, backfill.number, 4, attempt=1)
    await pool.execute("UPDATE outcomes SET attempts = 2 WHERE backfill_number = $1 AND position = 4", backfill.number)
    entry = await pages.find(backfill.number, "e")
    assert entry is not None
    tries = (await pages.with_tries(backfill.number, entry)).tries

    assert [(1, "again", 503), (2, "no", None)] == [(made.attempt, made.error, made.http_status) for made in tries]
    assert [NOON + MOMENT] * 2 == [made.finished_at for made in tries]


async def test_what_never_ran_has_no_tries(pages: LedgerPages, backfill: Backfill) -> None:
    for entity_id in "cfh":
        entry = await pages.find(backfill.number, entity_id)
        assert entry is not None
        assert () == (await pages.with_tries(backfill.number, entry)).tries


async def test_failed_ids_come_in_plan_order_and_can_be_narrowed(pages: LedgerPages, backfill: Backfill) -> None:
    assert ["b", "e"] == await pages.list_ended_ids(backfill.number)
    assert ["e"] == await pages.list_ended_ids(backfill.number, error_class="timeout")
    assert ["b"] == await pages.list_ended_ids(backfill.number, among=["b", "a", "z"])
    every = sorted(await pages.list_ended_ids(backfill.number, statuses=["succeeded", "skipped"]))
    assert every == sorted(await pages.list_ended_ids(backfill.number, statuses=["succeeded", "skipped"], among=every))
    assert not {"b", "e"} & set(every)
    assert {"a", "b"} == await pages.list_planned_among(backfill.number, ["a", "b", "z"])


async def test_earlier_runs_are_counted_by_how_they_ended(pages: LedgerPages, pool: Pool) -> None:
    workflow = await make_workflow(pool)
    for entity_id, status in {"a": "succeeded", "b": "succeeded", "c": "failed", "other": "failed"}.items():
        await pool.execute(
            "INSERT INTO last_runs VALUES ($1, 'ticket', $2, $3, $4)", workflow.workflow_id, entity_id, status, NOON
        )

    assert {"succeeded": 2, "failed": 1} == await pages.count_run_before(workflow.workflow_id, "ticket", list("abcd"))
    assert {} == await pages.count_run_before(workflow.workflow_id, "note", ["a"])
    assert {"succeeded": 2, "failed": 2} == await pages.count_run_before(workflow.workflow_id, "ticket", None)


async def test_the_last_failure_is_found_along_the_index_of_failures(pool: Pool, backfill: Backfill) -> None:
    from backfilld.store.ledger.pages import _sql

    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch("EXPLAIN " + _sql.list_failed, backfill.number, -1, 50)
        await connection.execute("RESET enable_seqscan")

    assert "outcomes_failed" in "\n".join(row[0] for row in plan)
