"""Why somebody did something: asked for where it will be read later, and wanted where the configuration says so."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.support.backfills import HTTP, make_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.schedules import make_schedule
from tests.support.system import System
from tests.web.conftest import Site, open_site
from tests.web.test_backfill_pages import NIGHTS, status_of

from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.executors.definition import WorkflowDefinition
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.store.connection.pool import Pool

WANTED = "Say why: whoever looks later will want to know"
R, S = ReasonCode, Status
CASES: list[tuple[str, Status, ReasonCode | None, dict[str, str]]] = [
    ("pause", S.RUNNING, None, {}),
    ("cancel", S.RUNNING, None, {"in_flight": "cancel"}),
    ("override", S.WAITING, R.OUTSIDE_WINDOW, {"until": "2027-03-01T20:00"}),
    ("resume", S.PAUSED, R.TOO_MANY_FAILURES, {}),
    ("delete", S.COMPLETED, None, {}),
]


@pytest.fixture
async def strict(
    pool: Pool, clock: FakeClock, operations: BackfillOperations, system: System, verbs: ScheduleVerbs
) -> AsyncIterator[Site]:
    """Where reasons are wanted."""
    async with AsyncExitStack() as stack:
        yield await open_site(stack, pool, clock, operations, system, verbs, requires_reason=True)


async def stop_for(pool: Pool, backfill: Backfill, code: ReasonCode) -> None:
    await pool.execute(
        "UPDATE backfills SET reason_code = $1, reason_message = 'so', reason_since = $2 WHERE number = $3",
        code, NOON, backfill.number,
    )  # fmt: skip


async def standing(pool: Pool, status: Status, code: ReasonCode | None) -> Backfill:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    await put_into(pool, backfill, status)
    if code is not None:
        await stop_for(pool, backfill, code)
    return backfill


async def test_nothing_is_done_without_a_reason_where_one_is_wanted(strict: Site, pool: Pool) -> None:
    admin = await strict.sign_in("admin")
    for verb, status, code, fields in CASES:
        backfill = await standing(pool, status, code)
        path = f"/backfills/{backfill.id}/{verb}"
        asked = await admin.text(path)
        refused = await admin.post(path, reason="  ", **fields)
        page = await refused.text()

        assert "(required; whoever looks later reads it)" in asked, verb
        assert 'maxlength="2000" required' in asked, verb
        assert 422 == refused.status, verb
        assert WANTED in page, verb
        assert 'aria-invalid="true" aria-describedby="w-reason"' in page, verb
        assert all(f'value="{value}"' in page for value in fields.values()), verb
        assert status == await status_of(pool, backfill), verb
        assert 303 == (await admin.post(path, reason="because", **fields)).status, verb


async def test_approving_and_going_on_by_oneself_want_none(strict: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, S.PAUSED)
    await stop_for(pool, backfill, R.AWAITING_APPROVAL)
    admin = await strict.sign_in("admin")

    assert "(optional;" in await admin.text(f"/backfills/{backfill.id}/resume")
    assert 303 == (await admin.post(f"/backfills/{backfill.id}/resume")).status


async def test_settings_are_changed_with_a_reason(strict: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool, max_in_flight=5)
    operator, path = await strict.sign_in("operator"), f"/backfills/{backfill.id}/edit"
    typed = {"group": "limits", "was": '{"max_in_flight": "5"}', "version": "1", "max_in_flight": "7", "do": "save"}
    refused = await operator.post(path, **typed)
    page = await refused.text()
    done = await operator.post(path, **typed, reason="more room")

    assert (422, 303) == (refused.status, done.status)
    assert WANTED in page
    assert 'value="7"' in page


async def test_everything_is_stopped_with_a_reason(strict: Site) -> None:
    operator = await strict.sign_in("operator")
    refused = await operator.post("/system/stop-all")

    assert 422 == refused.status
    assert WANTED in await refused.text()
    assert 303 == (await operator.post("/system/stop-all", reason="incident 4711")).status


async def workflow(system: System, name: str, *, enabled: bool = True) -> int:
    wanted = WorkflowDefinition.model_validate(HTTP | {"name": name, "project": "default", "enabled": enabled})
    return (await system.verbs.workflows.create(wanted, Actor.local("cli"))).id


async def of_the_installation(site: Site, pool: Pool, system: System) -> list[tuple[str, str]]:
    """What takes something away, of which each can be done once: the address, and its name in the audit log."""
    key, disabled, deleted = await site.key("viewer"), await workflow(system, "one"), await workflow(system, "two")
    schedule = (await make_schedule(pool)).id
    return [
        (f"/system/keys/{key.id}/revoke?name={key.name}", "api_key.revoke"),
        (f"/system/workflows/{disabled}/disable", "workflow.edit"),
        (f"/system/workflows/{deleted}/delete", "workflow.delete"),
        (f"/schedules/{schedule}/disable", "schedule.disable"),
    ]


async def reasons_of(pool: Pool, action: str) -> list[str | None]:
    return [row["reason"] for row in await pool.fetch("SELECT reason FROM audit_log WHERE action = $1", action)]


async def test_nothing_of_the_installation_is_taken_away_without_a_reason_where_one_is_wanted(
    strict: Site, pool: Pool, system: System
) -> None:
    admin = await strict.sign_in("admin")
    for path, action in await of_the_installation(strict, pool, system):
        asked = await admin.text(path)
        (form,) = re.findall(r'<form method="post" action="(/s[^"]+/\w+)">', asked)
        hidden = dict(re.findall(r'<input type="hidden" name="(name)" value="([^"]*)">', asked))
        refused = await admin.post(form, reason=" ", **hidden)
        page = await refused.text()

        assert "(required; whoever looks later reads it)" in asked, action
        assert 'maxlength="2000" required' in asked, action
        assert (422, 1) == (refused.status, page.count(WANTED)), action
        assert 'aria-invalid="true" aria-describedby="w-reason"' in page, action
        assert about_of(asked) == about_of(page) != "", action
        assert [] == await reasons_of(pool, action), action
        assert 303 == (await admin.post(form, reason=f"because of {action}", **hidden)).status, action
        assert [f"because of {action}"] == await reasons_of(pool, action)


async def test_elsewhere_it_is_taken_away_with_a_reason_or_without(site: Site, pool: Pool, system: System) -> None:
    admin = await site.sign_in("admin")
    for path, action in await of_the_installation(site, pool, system):
        assert "(optional; whoever looks later reads it)" in await admin.text(path), action
        assert 303 == (await admin.post(path)).status, action
        assert [None] == await reasons_of(pool, action), action


async def test_a_workflow_is_enabled_again_with_the_reason_that_one_gives(
    strict: Site, pool: Pool, system: System
) -> None:
    admin = await strict.sign_in("admin")
    path = f"/system/workflows/{await workflow(system, 'one', enabled=False)}/enable"
    asked = await admin.text(path)
    done = await admin.post(path, reason="it is mended")

    assert "(optional; whoever looks later reads it)" in asked
    assert 303 == done.status
    assert ["it is mended"] == await reasons_of(pool, "workflow.edit")


def about_of(page: str) -> str:
    """What it is asked about."""
    found = re.search(r"<h1 id=\"ask\">[^<]*</h1>\s*<p><b>([^<]*)</b>", page)
    return found[1] if found else ""


async def test_elsewhere_a_reason_is_asked_for_and_may_be_left_out(site: Site, pool: Pool) -> None:
    admin = await site.sign_in("admin")
    for verb, status, code, fields in CASES:
        path = f"/backfills/{(await standing(pool, status, code)).id}/{verb}"

        assert "(optional; whoever looks later reads it)" in await admin.text(path), verb
        assert 303 == (await admin.post(path, **fields)).status, verb
