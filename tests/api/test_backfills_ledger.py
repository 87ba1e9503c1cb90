"""The ledger over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.fake_control import FakeControl, FakeLive
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.records import Backfill, InFlight
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
ENTRIES = {
    "a": "succeeded", "b/1": "failed:http_404", "c": "skipped", "d": "retrying:timeout", "e": "cancelled",
    "f": "pending", "ü": "pending",
}  # fmt: skip


@pytest.fixture
async def backfill(pool: Pool, control: FakeControl) -> Backfill:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, ENTRIES)
    control.lives[backfill.number] = FakeLive(frozenset({5}))
    return backfill


async def ask(client: Client, backfill: Backfill, rest: str = "") -> Any:
    answer = await client.get(f"{PATH}/{backfill.id}/entities{rest}")
    document = await answer.json()
    assert 200 == answer.status, document
    return document


async def test_what_is_in_flight_is_told_with_its_try_and_its_age(
    client: Client, backfill: Backfill, control: FakeControl
) -> None:
    begun = InFlight(5, 3, NOON - timedelta(seconds=7))
    control.lives[backfill.number] = FakeLive(frozenset({5}), items={5: begun})
    (listed,) = (await ask(client, backfill, "?status=in_flight"))["data"]["entities"]
    (found,) = (await ask(client, backfill, "?entity_id=f"))["data"]["entities"]
    shown = (await ask(client, backfill, "/f"))["data"]["entity"]

    assert ("f", 3, "2027-03-01T11:59:53Z") == (listed["entity_id"], listed["attempts"], listed["started_at"])
    assert ["2027-03-01T11:59:53Z"] * 2 == [found["started_at"], shown["started_at"]]


@pytest.mark.parametrize(("ended", "seconds", "told"), [(20, 31, True), (20, 29, False), (19, 31, None)])
async def test_what_takes_much_longer_than_usual_is_told(
    client: Client, pool: Pool, control: FakeControl, ended: int, seconds: int, told: bool | None
) -> None:
    backfill = await make_backfill(pool)
    entries = {f"e{number}": "succeeded" for number in range(ended)} | {"left": "skipped", "slow": "pending"}
    await make_ledger(pool, backfill, entries)
    await pool.execute("UPDATE outcomes SET finished_at = started_at + interval '10 s' WHERE started_at IS NOT NULL")
    begun = InFlight(ended + 1, 1, NOON - timedelta(seconds=seconds))
    control.lives[backfill.number] = FakeLive(frozenset({ended + 1}), items={ended + 1: begun})
    (listed,) = (await ask(client, backfill, "?status=in_flight"))["data"]["entities"]
    shown = (await ask(client, backfill, "/slow"))["data"]["entity"]

    assert [told, told] == [listed["unusually_long"], shown["unusually_long"]]


async def test_an_entry_tells_everything(client: Client, backfill: Backfill) -> None:
    entries = (await ask(client, backfill))["data"]["entities"]

    assert list(ENTRIES) == [entry["entity_id"] for entry in entries]
    assert {
        "entity_id": "a", "position": 0, "status": "succeeded", "attempts": 1, "started_at": "2027-03-01T12:00:00Z",
        "finished_at": "2027-03-01T12:00:00.250000Z", "duration_ms": 250, "message": "done", "result": {"label": "a"},
        "error_class": None, "error": None, "http_status": None, "skip_reason": None, "credits": None,
        "next_attempt_at": None, "unusually_long": None,
    } == entries[0]  # fmt: skip
    assert ["succeeded", "failed", "skipped", "retrying", "cancelled", "in_flight", "pending"] == [
        entry["status"] for entry in entries
    ]


@pytest.mark.parametrize(("query", "expected"), [
    ("status=failed", ["b/1"]), ("status=failed&status=pending", ["b/1", "ü"]), ("status=in_flight", ["f"]),
    ("error_class=timeout", ["d"]), ("entity_id=b/1", ["b/1"]), ("entity_id=b/1&status=failed", ["b/1"]),
    ("entity_id=b/1&status=succeeded", []), ("entity_id=a&error_class=timeout", []), ("entity_id=z", []),
    ("status=succeeded&error_class=timeout", []),
])  # fmt: skip
async def test_the_ledger_can_be_narrowed(client: Client, backfill: Backfill, query: str, expected: list[str]) -> None:
    entries = (await ask(client, backfill, f"?{query}"))["data"]["entities"]

    assert expected == [entry["entity_id"] for entry in entries]


async def test_pages_join_to_the_whole(client: Client, backfill: Backfill) -> None:
    seen, cursor = [], ""
    while True:
        page = await ask(client, backfill, f"?page_size=2{cursor}")
        seen += [entry["entity_id"] for entry in page["data"]["entities"]]
        if page["meta"]["pagination"]["next_cursor"] is None:
            break
        cursor = f"&cursor={page['meta']['pagination']['next_cursor']}"

    assert list(ENTRIES) == seen


async def test_one_entity_comes_with_its_tries(client: Client, backfill: Backfill) -> None:
    failed = (await ask(client, backfill, "/b%2F1"))["data"]["entity"]
    retrying = (await ask(client, backfill, "/d"))["data"]["entity"]

    assert [(1, "http_404", "no")] == [(one["attempt"], one["error_class"], one["error"]) for one in failed["tries"]]
    assert ("retrying", 1, "timeout", "2027-03-01T13:00:00Z") == (
        retrying["status"], retrying["attempts"], retrying["error_class"], retrying["next_attempt_at"],
    )  # fmt: skip
    assert [503] == [one["http_status"] for one in retrying["tries"]]
    assert [] == (await ask(client, backfill, "/%C3%BC"))["data"]["entity"]["tries"]


async def test_an_entity_outside_the_plan_is_not_found(client: Client, backfill: Backfill) -> None:
    answer = await client.get(f"{PATH}/{backfill.id}/entities/z")

    assert 404 == answer.status


async def test_a_cursor_beyond_every_position_shows_nothing(client: Client, backfill: Backfill) -> None:
    from backfilld.api.framework.cursors import encode_cursor

    for position in (2**62, 2**31 - 1, 99):
        assert [] == (await ask(client, backfill, f"?cursor={encode_cursor(position)}"))["data"]["entities"]
