"""What the audit log remembers of backfills, and how it is read."""

from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON

from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.admin import audit
from backfilld.store.admin.audit_pages import AuditFilter, AuditPages
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool

S = Status
LATER = NOON + timedelta(minutes=5)


@pytest.fixture
def pages(pool: Pool) -> AuditPages:
    return AuditPages(pool)


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, S.RUNNING)
    return backfill


@pytest.fixture
async def fence(pool: Pool, backfill: Backfill) -> int:
    grant = await LeaseStore(pool, instance="i", process="p").acquire(backfill.number)
    assert grant is not None
    return grant.fence


def outside(minutes: int = 60) -> Reason:
    return Reason(ReasonCode.OUTSIDE_WINDOW, "outside its windows", LATER, LATER + timedelta(minutes=minutes))


async def told(pages: AuditPages, backfill: Backfill) -> list[tuple[str, str, str | None]]:
    return [
        (event.new["status"], event.new["status_reason"], event.reason)
        for event in await pages.list_timeline(backfill.number, limit=100)
    ]


async def test_a_move_of_the_engine_is_told_with_what_was_before(
    pool: Pool, pages: AuditPages, backfill: Backfill, fence: int
) -> None:
    await BackfillStore(pool).move(backfill.number, S.WAITING, reason=outside(), at=LATER, fence=fence)
    (event,) = await pages.list_timeline(backfill.number, limit=100)

    assert ("system", "backfill.status", LATER) == (event.actor, event.action, event.at)
    assert (f"backfill/{backfill.id}", backfill.id) == (event.subject, event.backfill_id)
    assert "outside its windows" == event.reason
    assert {"status": "running", "status_reason": None} == event.old
    assert {"status": "waiting", "status_reason": "outside_window"} == event.new


async def test_the_same_reason_in_other_words_is_not_told_again(
    pool: Pool, pages: AuditPages, backfill: Backfill, fence: int
) -> None:
    store = BackfillStore(pool)
    for minutes in (60, 61, 62):
        await store.move(
            backfill.number, S.WAITING, reason=outside(minutes), at=LATER, fence=fence, expected=(S.RUNNING, S.WAITING)
        )

    assert [("waiting", "outside_window", "outside its windows")] == await told(pages, backfill)


async def test_another_reason_for_the_same_status_is_told(
    pool: Pool, pages: AuditPages, backfill: Backfill, fence: int
) -> None:
    store = BackfillStore(pool)
    disabled = Reason(ReasonCode.WORKFLOW_DISABLED, "disabled", LATER)
    await store.set_reason(backfill.number, S.RUNNING, disabled, at=LATER, fence=fence)
    await store.set_reason(backfill.number, S.RUNNING, None, at=LATER, fence=fence)

    assert [("running", "workflow_disabled", "disabled"), ("running", None, None)] == await told(pages, backfill)


async def test_an_end_in_failure_says_why(pool: Pool, pages: AuditPages, backfill: Backfill, fence: int) -> None:
    error = {"code": "cannot_go_on", "message": "its zone is gone"}
    await BackfillStore(pool).move(backfill.number, S.FAILED, reason=None, at=LATER, fence=fence, error=error)

    assert [("failed", None, "its zone is gone")] == await told(pages, backfill)


async def test_a_move_that_was_refused_is_not_told(
    pool: Pool, pages: AuditPages, backfill: Backfill, fence: int
) -> None:
    store = BackfillStore(pool)
    await store.move(backfill.number, S.WAITING, reason=outside(), at=LATER, fence=fence + 1)
    await store.move(backfill.number, S.CANCELLED, reason=None, at=LATER, fence=fence)

    assert [] == await told(pages, backfill)


async def test_what_people_do_is_told_by_them_alone(
    pool: Pool, pages: AuditPages, backfill: Backfill, fence: int
) -> None:
    await BackfillStore(pool).move(backfill.number, S.PAUSED, reason=None, at=LATER)

    assert [] == await told(pages, backfill)


async def record(
    pool: Pool, minute: int, *, actor: str = "cli", action: str = "workflow.edit", subject: str = "workflow/7"
) -> None:
    async with pool.acquire() as connection:
        await audit.record(connection, Actor.local(actor), action, subject, at=NOON + timedelta(minutes=minute))


async def test_the_log_is_read_newest_first_page_by_page(pool: Pool, pages: AuditPages) -> None:
    for minute in (0, 1, 1, 1, 2):
        await record(pool, minute)
    first = await pages.list_page(AuditFilter(), limit=2)
    second = await pages.list_page(AuditFilter(), before=(first[-1].at, first[-1].id), limit=10)

    assert [5, 4, 3, 2, 1] == [event.id for event in first + second]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (AuditFilter(actor="cli"), [5, 3, 2]),
        (AuditFilter(action="backfill.pause"), [1]),
        (AuditFilter(action="backfill"), [4, 1]),
        (AuditFilter(action="back"), []),
        (AuditFilter(action="%"), []),
        (AuditFilter(subject="workflow/7"), [3, 2]),
        (AuditFilter(since=NOON + timedelta(minutes=2)), [5, 4, 3]),
        (AuditFilter(until=NOON + timedelta(minutes=2)), [2, 1]),
        (AuditFilter(with_keys=False), [4, 3, 2, 1]),
        (AuditFilter(actor="cli", action="workflow", until=NOON + timedelta(minutes=2)), [2]),
    ],
)
async def test_everything_that_is_asked_for_has_to_hold(
    pool: Pool, pages: AuditPages, wanted: AuditFilter, ids: list[int]
) -> None:
    await record(pool, 0, actor="key:1", action="backfill.pause", subject="backfill/x")
    await record(pool, 1)
    await record(pool, 2)
    await record(pool, 3, actor="key:1", action="backfill.cancel", subject="backfill/x")
    await record(pool, 4, action="api_key.create", subject="api_key/9")

    assert ids == [event.id for event in await pages.list_page(wanted, limit=10)]


async def test_moves_of_the_engine_are_not_in_the_log_of_who_did_what(
    pool: Pool, pages: AuditPages, backfill: Backfill, fence: int
) -> None:
    await BackfillStore(pool).move(backfill.number, S.WAITING, reason=outside(), at=LATER, fence=fence)

    assert [] == await pages.list_page(AuditFilter(), limit=10)


async def test_a_page_is_read_along_the_index_however_many_moves_there_are(pool: Pool) -> None:
    from backfilld.store.admin.audit_pages import _sql

    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_sort = off")
        plan = await connection.fetch("EXPLAIN " + _sql.list_events, LATER, 0, NOON, None, None, None, True, 50)

    text = "\n".join(row[0] for row in plan)
    assert "audit_log_of_callers" in text
    assert "Sort" not in text
