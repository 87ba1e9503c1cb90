"""Settings that are changed on a page: what was not touched stays, and nobody overwrites what he has not seen."""

import json
from typing import Any

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.fake_control import FakeControl
from tests.web.conftest import Person, Site
from tests.web.forms import sent
from tests.web.test_backfill_pages import NIGHTS, hold

from backfilld.domain.backfill_settings import FailurePolicy, SlowDown
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.connection.pool import Pool


@pytest.fixture
async def nightly(pool: Pool) -> Backfill:
    backfill = await make_backfill(
        pool, name="nightly", daily_execution_windows=NIGHTS, timezone="America/New_York", max_in_flight=4,
        failure_policy=FailurePolicy(), slow_down=SlowDown(500, "p95", 30),
    )  # fmt: skip
    await put_into(pool, backfill, Status.WAITING)
    return backfill


@pytest.fixture
async def anna(site: Site) -> Person:
    return await site.sign_in("operator")


def edit(backfill: Backfill, group: str = "") -> str:
    return f"/backfills/{backfill.id}/edit" + (f"?group={group}" if group else "")


async def post(person: Person, backfill: Backfill, fields: dict[str, str], do: str = "save") -> tuple[int, str]:
    answer = await person.post(edit(backfill), **fields, do=do)
    return answer.status, await answer.text()


async def settings_of(pool: Pool, backfill: Backfill) -> dict[str, Any]:
    row = await pool.fetchrow("SELECT settings, name, max_in_flight FROM backfills WHERE number = $1", backfill.number)

    assert row is not None
    found: dict[str, Any] = json.loads(row["settings"]) | {name: row[name] for name in ("name", "max_in_flight")}
    found["excluded_dates"] = sorted(found["excluded_dates"])
    return found


async def changes(pool: Pool) -> list[dict[str, Any]]:
    rows = await pool.fetch("SELECT new FROM audit_log WHERE action = 'backfill.change' ORDER BY id")
    moved = {"status", "status_reason"}
    return [{key: one for key, one in json.loads(row["new"]).items() if key not in moved} for row in rows]


async def test_a_form_that_is_sent_as_it_came_changes_nothing(anna: Person, pool: Pool, nightly: Backfill) -> None:
    before = await settings_of(pool, nightly)
    status, _ = await post(anna, nightly, sent(await anna.text(edit(nightly)), "edit"))

    assert 303 == status
    assert before == await settings_of(pool, nightly)
    assert [] == await changes(pool)


CHANGES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"name": "by day"}, {"name": "by day"}),
    ({"name": ""}, {"name": None}),
    ({"max_in_flight": "7"}, {"max_in_flight": 7}),
    ({"starts_per_minute": "0,5"}, {"starts_per_minute": 0.5}),
    ({"max_attempts": "9"}, {"max_attempts": 9}),
    ({"max_credits": "1000"}, {"max_credits": 1000.0}),
    ({"timezone": "UTC"}, {"timezone": "UTC"}),
    ({"excluded_dates": "2027-12-24, 2027-12-25"}, {"excluded_dates": ["2027-12-24", "2027-12-25"]}),
    ({"fp.ratio": "12.5"}, {"failure_policy": {"max_failure_ratio": 0.125}}),
    ({"slow.ms": "800"}, {"slow_down": {"latency_ms": 800.0, "of": "p95", "over": 30}}),
    ({"slow.ms": ""}, {"slow_down": None}),
    ({"w.0.to": "05:00"}, {"daily_execution_windows": {"monday": [["22:00", "05:00"]]}}),
]


async def test_only_what_was_typed_is_changed(anna: Person, pool: Pool, nightly: Backfill) -> None:
    for number, (typed, expected) in enumerate(CHANGES):
        fields = sent(await anna.text(edit(nightly)), "edit") | typed
        status, page = await post(anna, nightly, fields | {"reason": f"finance asked for {number}"})
        found = await settings_of(pool, nightly)
        ((name, value),) = expected.items()
        if name == "failure_policy":
            found[name] = {key: found[name][key] for key in value}
        if name == "daily_execution_windows":
            found[name] = {day: [[*span.values()] for span in spans] for day, spans in found[name].items()}

        assert 303 == status, page
        assert value == found.get(name), typed
        assert [{name}] == [set(one) for one in await changes(pool)][number:], typed
        assert f"finance asked for {number}" in await anna.text(f"/backfills/{nightly.id}/timeline"), typed


async def test_the_second_editor_loses_nothing_and_overwrites_nothing_unseen(
    site: Site, anna: Person, pool: Pool, nightly: Backfill
) -> None:
    bert = await site.sign_in("operator")
    of_anna, of_bert = [sent(await one.text(edit(nightly)), "edit") for one in (anna, bert)]
    await post(anna, nightly, of_anna | {"max_in_flight": "6", "name": "anna's", "max_credits": "50"})
    status, page = await post(bert, nightly, of_bert | {"max_in_flight": "9", "max_attempts": "2"})

    assert 412 == status
    assert "Somebody else has changed this backfill meanwhile" in page
    assert "Somebody else has set it meanwhile to: <b>at most 6</b>" in page
    assert "Taken over from the other change: Name, Credits." in page
    again = sent(page, "edit")
    assert ("9", "2", "anna's", "50") == tuple(
        again[name] for name in ("max_in_flight", "max_attempts", "name", "max_credits")
    )
    assert 303 == (await post(bert, nightly, again))[0]
    found = await settings_of(pool, nightly)
    assert (9, 2, "anna's", 50) == tuple(
        found[name] for name in ("max_in_flight", "max_attempts", "name", "max_credits")
    )


async def test_all_that_is_wrong_is_shown_where_it_is_mended(anna: Person, pool: Pool, nightly: Backfill) -> None:
    fields = sent(await anna.text(edit(nightly)), "edit")
    typed = {"max_in_flight": "many", "timezone": "New York", "fp.ratio": "200", "w.0.from": "25:00"}
    status, page = await post(anna, nightly, fields | typed)

    assert 422 == status
    for name in typed:
        assert f'id="{name.replace(".", "-")}-wrong"' in page, name
    assert typed.items() <= sent(page, "edit").items()
    assert [] == await changes(pool)


async def test_windows_are_put_together_without_script(anna: Person, pool: Pool, nightly: Backfill) -> None:
    fields = sent(await anna.text(edit(nightly, "openings")), "edit") | {"timezone": "half typed"}
    for do, rows in (("window", 2), ("unwindow:w.0", 0), ("preset:office", 2), ("nonsense", 1)):
        status, page = await post(anna, nightly, fields, do)
        again = sent(page, "edit")

        assert 200 == status, do
        assert rows == sum(name.endswith(".from") for name in again), do
        assert ("half typed", fields["was"]) == (again["timezone"], again["was"]), do
    assert [] == await changes(pool)


async def test_windows_without_a_day_or_none_at_all_are_told(anna: Person, nightly: Backfill) -> None:
    fields = sent(await anna.text(edit(nightly)), "edit")
    dayless = await post(anna, nightly, {key: value for key, value in fields.items() if key != "w.0.d0"})
    none = await post(anna, nightly, {key: value for key, value in fields.items() if not key.startswith("w.")})

    assert [422, 422] == [dayless[0], none[0]]
    assert "choose the days on which it is open" in dayless[1]
    assert 'id="w-0-from-wrong"' in none[1]


async def test_one_group_shows_and_changes_its_own_alone(anna: Person, pool: Pool, nightly: Backfill) -> None:
    fields = sent(await anna.text(edit(nightly, "limits")), "edit")
    status, _ = await post(anna, nightly, fields | {"max_in_flight": "3", "timezone": "UTC"})

    assert "timezone" not in fields
    assert 303 == status
    assert [{"max_in_flight": 3}] == await changes(pool)


async def test_what_stopped_by_itself_is_saved_and_resumed_at_once(anna: Person, pool: Pool, nightly: Backfill) -> None:
    await put_into(pool, nightly, Status.PAUSED)
    await hold(pool, nightly, ReasonCode.BUDGET_EXHAUSTED, used=5, cap=5, reserved=0, left=0, needs=1)
    page = await anna.text(edit(nightly, "stops"))
    status, _ = await post(anna, nightly, sent(page, "edit") | {"max_credits": "9"}, "resume")

    assert "Save and resume" in page
    assert 303 == status
    assert "paused" != await pool.fetchval("SELECT status FROM backfills WHERE number = $1", nightly.number)


async def test_what_ended_meanwhile_is_told_and_kept(anna: Person, pool: Pool, nightly: Backfill) -> None:
    fields = sent(await anna.text(edit(nightly)), "edit")
    await put_into(pool, nightly, Status.COMPLETED)
    status, page = await post(anna, nightly, fields | {"max_in_flight": "3"})

    assert 409 == status
    assert "It is completed, so it cannot be changed any more." in page
    assert "edit?group=" not in await anna.text(f"/backfills/{nightly.id}/settings")


async def test_a_change_that_nobody_confirms_says_so(anna: Person, nightly: Backfill, control: FakeControl) -> None:
    fields = sent(await anna.text(edit(nightly)), "edit")
    control.is_deaf = True
    status, page = await post(anna, nightly, fields | {"max_in_flight": "3"})

    assert 503 == status
    assert "Nobody has confirmed it yet." in page
    assert "3" == sent(page, "edit")["max_in_flight"]


async def test_each_setting_says_who_changed_it_last(site: Site, anna: Person, nightly: Backfill) -> None:
    await post(anna, nightly, sent(await anna.text(edit(nightly)), "edit") | {"max_in_flight": "3"})
    page = await (await site.sign_in("viewer")).text(f"/backfills/{nightly.id}/settings")

    assert 1 == page.count("by the operator</span>")
    assert "edit?group=" not in page


async def test_a_form_that_was_made_up_breaks_nothing(anna: Person, nightly: Backfill) -> None:
    for was in ("", "no json", "[]", '{"max_in_flight": {}}', "[" * 5_000):
        status, _ = await post(anna, nightly, {"version": "x", "group": "limits,nonsense", "was": was})

        assert status in (303, 412, 422), was[:50]
