"""What failed, by what failures have in common: as it is recorded, told, and looked for in the ledger."""

from datetime import timedelta
from uuid import uuid4

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403
from tests.api.backfill_fixtures import PATH
from tests.api.conftest import Client
from tests.support.backfills import make_backfill, new_backfill, put_into
from tests.support.clock import NOON

from backfilld.domain.backfills.failures.fingerprints import fingerprint
from backfilld.domain.backfills.records import Backfill, Outcome
from backfilld.domain.backfills.states import Status
from backfilld.operations.watching import errors as watching
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.ids import EndedIn
from backfilld.store.connection.pool import Pool
from backfilld.store.history.error_groups import ErrorGroups
from backfilld.store.ledger.entries import Checkpoint, EndedItem
from backfilld.store.ledger.recording import record

MESSAGES = {
    0: ("http_409", "ticket 100 is locked by user u1"),
    1: ("timeout", "no answer within 30 s"),
    2: ("http_409", "ticket 102 is locked by user u1"),
    4: ("http_409", "ticket 104 is locked by user u1"),
}


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    """Six items of which four fail, as the recorder writes them."""
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    await pool.execute("UPDATE backfill_progress SET planned = 6")
    await pool.execute(
        "INSERT INTO plan_items (backfill_number, position, entity_id)"
        " SELECT $1, n, 'e' || n FROM generate_series(0, 5) AS n", backfill.number,
    )  # fmt: skip
    ended = []
    for position in range(6):
        at = NOON + timedelta(minutes=position)
        if position in MESSAGES:
            error_class, error = MESSAGES[position]
            outcome = Outcome("failed", at, at, 1, error_class=error_class, error=error)
        else:
            outcome = Outcome("succeeded", at, at, 1)
        ended.append(EndedItem(backfill.number, position, outcome, had_retry=False))
    async with pool.acquire() as connection:
        await record(connection, [Checkpoint(backfill.number, 0, 6, 1.0)], ended, [], NOON)
    return backfill


async def ask(client: Client, id: object, rest: str = "/errors", status: int = 200) -> dict:
    answer = await client.get(f"{PATH}/{id}{rest}")
    document = await answer.json()
    assert status == answer.status, document
    return document["data"] if status == 200 else document["error"]


async def test_failures_are_told_by_what_they_have_in_common(client: Client, backfill: Backfill):
    locked, late = (await ask(client, backfill.id))["errors"]

    assert {
        "error_group": fingerprint(*MESSAGES[0]).hex(), "error_class": "http_409",
        "message": "ticket ‹…› is locked by user u1", "count": 3, "first_at": "2027-03-01T12:00:00Z",
        "last_at": "2027-03-01T12:04:00Z", "entity_ids": ["e0", "e2", "e4"],
        "examples": [MESSAGES[n][1] for n in (0, 2, 4)],
    } == locked  # fmt: skip
    assert ("timeout", "no answer within 30 s", 1) == (late["error_class"], late["message"], late["count"])


async def test_a_group_can_be_asked_for_alone_and_in_the_ledger(client: Client, backfill: Backfill):
    group = fingerprint(*MESSAGES[0]).hex()
    (found,) = (await ask(client, backfill.id, f"/errors?error_group={group}"))["errors"]
    listed = (await ask(client, backfill.id, f"/entities?error_group={group}"))["entities"]
    others = (await ask(client, backfill.id, f"/entities?error_group={group}&status=succeeded"))["entities"]

    assert group == found["error_group"]
    assert (["e0", "e2", "e4"], []) == ([entry["entity_id"] for entry in listed], others)


@pytest.mark.parametrize("path", ["/errors?error_group=x", "/entities?error_group=01", "/errors?error_class=x"])
async def test_what_is_no_group_is_told(client: Client, backfill: Backfill, path: str):
    assert "details" in await ask(client, backfill.id, path, status=422)


async def test_nothing_failed_and_nothing_is_there(client: Client, pool: Pool):
    backfill = await make_backfill(pool)

    assert [] == (await ask(client, backfill.id))["errors"]
    await ask(client, uuid4(), status=404)


async def test_of_too_many_kinds_the_rest_is_one_group(client: Client, backfill: Backfill, monkeypatch):
    monkeypatch.setattr(watching, "MOST_GROUPS", 1)
    locked, others = (await ask(client, backfill.id))["errors"]

    assert (3, None, "others", 1) == (locked["count"], others["error_group"], others["message"], others["count"])


async def test_failures_of_before_there_were_groups_are_grouped_when_they_are_looked_at(
    client: Client, pool: Pool, backfill: Backfill
):
    await pool.execute("UPDATE outcomes SET fingerprint = NULL")
    counts = [error["count"] for error in (await ask(client, backfill.id))["errors"]]

    assert [3, 1] == counts
    assert 0 == await ErrorGroups(pool).group_old(most=10)


async def test_the_janitor_groups_them_in_pieces(pool: Pool, backfill: Backfill):
    await pool.execute("UPDATE outcomes SET fingerprint = NULL")
    groups = ErrorGroups(pool)

    assert [3, 1, 0] == [await groups.group_old(most=3) for _ in range(3)]


async def test_a_child_can_be_made_of_one_group(pool: Pool, backfill: Backfill):
    failed = EndedIn(backfill.number, error_group=fingerprint(*MESSAGES[0]))
    async with pool.acquire() as connection, connection.transaction():
        new = new_backfill(backfill, entity_ids=failed, exclusive=False)
        child = await BackfillStore(pool).insert(new, on=connection)

    assert ("e0", "e2", "e4") == child.named_ids.first
