"""What comes and goes while a backfill works is one row, from its beginning to its end."""

from datetime import datetime, timedelta

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON

from backfilld.domain.backfills.holding import OUTAGES, because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.admin.audit_pages import AuditFilter, AuditPages
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool

R, S = ReasonCode, Status
FACTS = {
    "target": "crm", "problem": "no", "case": "others", "who": "X", "outcomes": 1, "brake": "lag", "queue": "enrich",
    "engine": "main",
}  # fmt: skip
CASES = {
    R.WAITING_FOR_CAPACITY: {"case": "places"},
    R.BRAKED: {"case": "first"},
    R.BRAKED_CRITICALLY: {"case": None, "value": "130", "limit": "120", "side": "above"},
}


def minute(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


class Owner:
    """Whoever runs the backfill: says what holds it, and that nothing does."""

    def __init__(self, pool: Pool, backfill: Backfill, fence: int) -> None:
        self.store, self.number, self.fence = BackfillStore(pool), backfill.number, fence

    async def says(self, at: float, code: ReasonCode | None = None) -> Backfill:
        facts = FACTS | CASES.get(code, {})
        reason = None if code is None else because(code, since=minute(at), until=minute(at + 1), **facts)
        status = S.WAITING if code is R.WAITING_FOR_RETRY else S.RUNNING
        row = await self.store.move(
            self.number, status, reason=reason, at=minute(at), fence=self.fence, expected=(S.RUNNING, S.WAITING)
        )
        assert row is not None
        return row

    async def ends(self, at: float) -> None:
        await self.store.move(self.number, S.COMPLETED, reason=None, at=minute(at), fence=self.fence)


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, S.RUNNING)
    return backfill


@pytest.fixture
async def owner(pool: Pool, backfill: Backfill) -> Owner:
    grant = await LeaseStore(pool, instance="i", process="p").acquire(backfill.number)
    assert grant is not None
    return Owner(pool, backfill, grant.fence)


async def told(pool: Pool, backfill: Backfill) -> list[tuple]:
    """Action, begin, end (in minutes behind noon), probes."""

    def after(at: datetime | None) -> float | None:
        return None if at is None else (at - NOON) / timedelta(minutes=1)

    events = await AuditPages(pool).list_timeline(backfill.number, limit=100)
    return [(event.action, after(event.began_at), after(event.ended_at), event.probes) for event in events]


@pytest.mark.parametrize("code", sorted(OUTAGES))
async def test_it_is_one_row_however_often_it_is_looked_at(
    pool: Pool, backfill: Backfill, owner: Owner, code: ReasonCode
) -> None:
    for at in (0, 2, 7, 20):
        await owner.says(at, code)
    during = await told(pool, backfill)
    await owner.says(21)

    assert [("backfill.outage", 0, None, 4)] == during
    assert [("backfill.outage", 0, 21, 4)] == await told(pool, backfill)


async def test_what_comes_again_within_a_minute_is_the_same(pool: Pool, backfill: Backfill, owner: Owner) -> None:
    for at in (0, 1, 2):
        await owner.says(at, R.RATE_LIMITED)
        await owner.says(at + 0.5)
    row = await owner.says(3.4, R.RATE_LIMITED)

    assert [("backfill.outage", 0, None, 4)] == await told(pool, backfill)
    assert NOON == row.reason.since


async def test_what_comes_again_later_is_another(pool: Pool, backfill: Backfill, owner: Owner) -> None:
    await owner.says(0, R.RATE_LIMITED)
    await owner.says(1)
    row = await owner.says(2, R.RATE_LIMITED)

    assert [("backfill.outage", 0, 1, 1), ("backfill.outage", 2, None, 1)] == await told(pool, backfill)
    assert minute(2) == row.reason.since


async def test_one_outage_ends_where_another_begins(pool: Pool, backfill: Backfill, owner: Owner) -> None:
    await owner.says(0, R.TARGET_UNREACHABLE)
    await owner.says(5, R.TARGET_REFUSES)
    await owner.ends(6)

    assert [
        ("backfill.outage", 0, 5, 1), ("backfill.outage", 5, 6, 1), ("backfill.status", None, None, None),
    ] == await told(pool, backfill)  # fmt: skip


async def test_what_is_not_written_because_the_lease_is_gone_is_no_outage(
    pool: Pool, backfill: Backfill, owner: Owner
) -> None:
    reason = because(R.RATE_LIMITED, since=NOON, target="crm")
    await owner.store.move(
        backfill.number, S.RUNNING, reason=reason, at=NOON, fence=owner.fence + 1, expected=[S.RUNNING]
    )

    assert [] == await told(pool, backfill)


async def test_it_began_when_it_began_whoever_owns_the_backfill_since(
    pool: Pool, backfill: Backfill, owner: Owner
) -> None:
    await owner.says(0, R.TARGET_UNREACHABLE)
    grant = await LeaseStore(pool, instance="i", process="another").acquire(backfill.number)
    row = await Owner(pool, backfill, grant.fence).says(30, R.TARGET_UNREACHABLE)

    assert NOON == row.reason.since


async def test_another_process_that_goes_on_is_told(pool: Pool, backfill: Backfill, owner: Owner) -> None:
    await LeaseStore(pool, instance="i", process="another").acquire(backfill.number)
    (event,) = await AuditPages(pool).list_timeline(backfill.number, limit=9)

    assert ("backfill.taken_over", {"daemon": "i/p"}, {"daemon": "i/another"}) == (event.action, event.old, event.new)
    assert "died" in event.reason
    assert [] == await AuditPages(pool).list_page(AuditFilter(), limit=9)


async def test_the_same_process_that_goes_on_is_nothing_to_tell(pool: Pool, backfill: Backfill, owner: Owner) -> None:
    leases = LeaseStore(pool, instance="i", process="p")
    await leases.release(backfill.number, owner.fence, in_order=True)
    await leases.acquire(backfill.number)

    assert [] == await told(pool, backfill)


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        (AuditFilter(), ["backfill.outage", "backfill.status"]),
        (AuditFilter(actor="system"), ["backfill.outage", "backfill.status"]),
        (AuditFilter(actor="cli"), []),
        (AuditFilter(action="backfill.outage"), ["backfill.outage"]),
        (AuditFilter(subject="workflow/1"), []),
        (AuditFilter(since=minute(1)), ["backfill.status"]),
        (AuditFilter(until=minute(1)), ["backfill.outage"]),
    ],
)
async def test_a_timeline_shows_what_is_asked_for(
    pool: Pool, backfill: Backfill, owner: Owner, wanted: AuditFilter, actions: list[str]
) -> None:
    await owner.says(0, R.RATE_LIMITED)
    await owner.ends(5)

    assert actions == [event.action for event in await AuditPages(pool).list_timeline(backfill.number, wanted, limit=9)]
