"""One backfill: what its pages show, and what may be done on them."""

import re
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from tests.support.backfills import Workflow, make_backfill, make_workflow, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.fake_control import FakeControl
from tests.support.ledgers import make_ledger
from tests.web.conftest import Person, Site

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.backfill.verbs import VERBS

TABS = ("", "/entities", "/errors", "/timeline", "/settings")
NIGHTS = {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]}


async def hold(pool: Pool, backfill: Backfill, code: ReasonCode, **facts: Any) -> None:
    reason = because(code, since=NOON, **facts)
    await pool.execute(
        "UPDATE backfills SET reason_code = $1, reason_message = $2, reason_since = $3 WHERE number = $4",
        code, reason.message, NOON, backfill.number,
    )  # fmt: skip


async def fail_some(pool: Pool, backfill: Backfill, *ids: str, error: str = "HTTP 409: locked") -> None:
    """All that is in its plan, with that error."""
    await make_ledger(pool, backfill, dict.fromkeys(ids, "failed:http_409"))
    await pool.execute("UPDATE outcomes SET error = $2 WHERE backfill_number = $1", backfill.number, error)


def offered(page: str) -> set[str]:
    return set(re.findall(r'<a class="button [a-z]*" id="verb-([a-z-]+)"', page))


OFFERED: list[tuple[Status, ReasonCode | None, set[str]]] = [
    (Status.PLANNING, None, {"pause", "edit", "clone", "cancel"}),
    (Status.RUNNING, None, {"pause", "edit", "clone", "cancel"}),
    (Status.WAITING, None, {"pause", "edit", "clone", "cancel"}),
    (Status.PAUSED, ReasonCode.PAUSED_BY_USER, {"resume", "edit", "clone", "cancel"}),
    (Status.PAUSED, ReasonCode.AWAITING_APPROVAL, {"resume", "edit", "clone", "cancel"}),
    (Status.CANCELLING, None, set()),
    (Status.COMPLETED, None, {"clone", "delete"}),
    (Status.CANCELLED, None, {"clone", "delete"}),
]


async def test_only_what_is_possible_is_offered(site: Site, pool: Pool) -> None:
    person = await site.sign_in("admin")
    for status, code, verbs in OFFERED:
        backfill = await make_backfill(pool)
        await put_into(pool, backfill, status)
        if code is not None:
            await hold(pool, backfill, code, who="ops", to_run=0, left_out=None)

        assert verbs == offered(await person.text(f"/backfills/{backfill.id}")), (status, code)
        for verb in VERBS:
            answer = await person.get(f"/backfills/{backfill.id}/{verb}")
            assert (200 if verb in verbs else 409) == answer.status, (status, code, verb)


async def test_a_viewer_sees_what_he_may_not_do_and_why(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    viewer = await site.sign_in("viewer")
    page = await viewer.text(f"/backfills/{backfill.id}")

    assert set() == offered(page)
    assert 'aria-disabled="true" title="It takes the role operator; you are viewer."' in page
    assert "csrf" not in page.partition('<main id="main"')[2]
    assert 403 == (await viewer.get(f"/backfills/{backfill.id}/pause")).status


async def test_every_page_shows_every_status(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool, name="mine", daily_execution_windows=NIGHTS, timezone="America/New_York")
    viewer = await site.sign_in("viewer")
    for status, tab in product(Status, TABS):
        await put_into(pool, backfill, status)
        page = await viewer.text(f"/backfills/{backfill.id}{tab}")

        assert "mine" in page, (status, tab)
        assert "New York" in page, (status, tab)
        assert len(page) < 60_000, (status, tab)


@pytest.fixture
async def running(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING)
    return backfill


async def status_of(pool: Pool, backfill: Backfill) -> str:
    return str(await pool.fetchval("SELECT status FROM backfills WHERE number = $1", backfill.number))


async def test_a_pause_is_done_with_its_reason_and_shown(site: Site, pool: Pool, running: Backfill) -> None:
    operator = await site.sign_in("operator")
    answer = await operator.post(f"/backfills/{running.id}/pause", reason="ledger is being re-indexed")
    page = await operator.text(f"/backfills/{running.id}")

    assert (303, f"/backfills/{running.id}") == (answer.status, answer.headers["Location"])
    assert "paused" == await status_of(pool, running)
    assert "ledger is being re-indexed" in page
    assert "Paused by the operator" in page
    assert {"resume", "edit", "clone", "cancel"} == offered(page)


async def test_what_was_paused_is_resumed(site: Site, pool: Pool, running: Backfill) -> None:
    operator = await site.sign_in("operator")
    await operator.post(f"/backfills/{running.id}/pause")
    await operator.post(f"/backfills/{running.id}/resume")

    assert "running" == await status_of(pool, running)


@pytest.mark.parametrize(("choice", "cut"), [("drain", False), ("cancel", True), (None, False), ("nonsense", False)])
async def test_a_cancel_drains_unless_told_to_cut(
    site: Site, pool: Pool, running: Backfill, choice: str | None, cut: bool
) -> None:
    operator = await site.sign_in("operator")
    await operator.post(f"/backfills/{running.id}/cancel", **({"in_flight": choice} if choice else {}))

    assert "cancelling" == await status_of(pool, running)
    assert cut is await pool.fetchval("SELECT cancel_in_flight FROM backfills")


async def test_a_verb_that_came_too_late_is_told_the_state_that_won(site: Site, pool: Pool, running: Backfill) -> None:
    operator = await site.sign_in("operator")
    await put_into(pool, running, Status.COMPLETED)
    answer = await operator.post(f"/backfills/{running.id}/pause", reason="too late")
    page = await answer.text()

    assert 409 == answer.status
    assert "is completed; pause is not possible any more" in page
    assert "Completed" in page


async def test_a_pause_that_nobody_confirms_says_so_and_keeps_what_was_typed(
    site: Site, running: Backfill, control: FakeControl
) -> None:
    control.is_deaf = True
    operator = await site.sign_in("operator")
    answer = await operator.post(f"/backfills/{running.id}/pause", reason="the disk is full")
    page = await answer.text()

    assert 503 == answer.status
    assert "Nobody has confirmed it yet." in page


async def test_a_rerun_leads_to_the_new_backfill(site: Site, pool: Pool, workflow: Workflow) -> None:
    backfill = await make_backfill(pool, workflow)
    await fail_some(pool, backfill, "e1", "e2")
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    operator = await site.sign_in("operator")
    asked = await operator.text(f"/backfills/{backfill.id}/rerun-failed")
    answer = await operator.post(f"/backfills/{backfill.id}/rerun-failed", reason="mended")
    child = answer.headers["Location"]

    assert "Rerun the 2 that failed?" in asked
    assert 303 == answer.status
    assert str(backfill.id) in await operator.text(child)
    assert child in await operator.text(f"/backfills/{backfill.id}")
    again = await operator.post(f"/backfills/{backfill.id}/rerun-failed")
    assert 409 == again.status  # a second click makes no second one


async def test_what_failed_is_grouped_and_leads_to_the_ledger(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"e1": "failed:http_409", "e2": "failed:http_409", "e3": "failed:timeout"})
    viewer = await site.sign_in("viewer")
    page = await viewer.text(f"/backfills/{backfill.id}/errors")
    links = re.findall(r'href="(/backfills/[^"]*error_group=[^"]*)"', page)
    ledgers = [await viewer.text(link.replace("&amp;", "&")) for link in links]

    assert [["e1", "e2"], ["e3"]] == [re.findall(r'entities/(e\d+)"', one) for one in ledgers]
    odd = await viewer.text(f"/backfills/{backfill.id}/entities?error_group=zz")
    assert 3 == len(re.findall(r'entities/(e\d+)"', odd))


async def test_what_waits_for_its_target_can_be_told_to_ask_now(site: Site, pool: Pool, running: Backfill) -> None:
    await hold(pool, running, ReasonCode.TARGET_REFUSES, target="crm.example", problem="HTTP 401")
    operator = await site.sign_in("operator")

    assert "Try now…" in await operator.text("/")
    assert {"try-now", "pause", "edit", "clone", "cancel"} == offered(await operator.text(f"/backfills/{running.id}"))
    assert 303 == (await operator.post(f"/backfills/{running.id}/try-now")).status
    assert "had it ask again at once" in await operator.text(f"/backfills/{running.id}/timeline")


async def test_what_is_deleted_is_gone_for_everybody_but_admins_do_it(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.COMPLETED)
    operator, admin = await site.sign_in("operator"), await site.sign_in("admin")

    assert 403 == (await operator.post(f"/backfills/{backfill.id}/delete")).status
    answer = await admin.post(f"/backfills/{backfill.id}/delete", reason="old")
    assert (303, "/") == (answer.status, answer.headers["Location"])
    for tab in TABS:
        assert 404 == (await admin.get(f"/backfills/{backfill.id}{tab}")).status


HOSTILE = "<script>alert(1)</script>\u202e\"'` =cmd|' /C calc'!A0 🦀 " + "x" * 3_900


async def test_what_targets_say_is_text(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool, name="<img src=x onerror=alert(1)>", reason=HOSTILE[:1_000])
    await fail_some(pool, backfill, "a/b?c#d%2F", "<b>bold</b>", error=HOSTILE)
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    viewer = await site.sign_in("viewer")
    ledger = await viewer.text(f"/backfills/{backfill.id}/entities")
    links = re.findall(r'href="(/backfills/[^"]+/entities/[^"]+)"', ledger)

    assert 2 == len(links)
    for path in [*(f"/backfills/{backfill.id}{tab}" for tab in TABS), *links]:
        page = await viewer.text(path.replace("%", "%25").replace("%25", "%") if path in links else path)
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b>bold" not in page


async def test_the_ledger_is_looked_at_by_outcome_and_by_id(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await fail_some(pool, backfill, *(f"e{number}" for number in range(53)))
    viewer = await site.sign_in("viewer")
    base = f"/backfills/{backfill.id}/entities"

    async def ids(query: str) -> list[str]:
        return re.findall(r'entities/(e\d+)"', await viewer.text(base + query))

    assert [f"e{number}" for number in range(50)] == await ids("")
    assert [f"e{number}" for number in range(50, 53)] == await ids("?status=failed&cursor=49")
    assert ["e7"] == await ids("?entity_id=e7")
    assert [] == await ids("?status=succeeded")
    assert [] == await ids("?entity_id=nobody")
    assert 50 == len(await ids("?status=nonsense&cursor=x"))


async def test_an_entity_shows_its_error_whole(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    error = "Traceback\n  line 1\n  " + "y" * 2_000
    await fail_some(pool, backfill, "e1", error=error)
    page = await (await site.sign_in("viewer")).text(f"/backfills/{backfill.id}/entities/e1")

    assert error in page
    assert "250 ms" in page


async def test_the_timeline_is_newest_first_and_pages(site: Site, running: Backfill) -> None:
    operator = await site.sign_in("operator")
    for number in range(30):
        await operator.post(f"/backfills/{running.id}/pause", reason=f"pause {number}")
        await operator.post(f"/backfills/{running.id}/resume", reason=f"resume {number}")
    page = await operator.text(f"/backfills/{running.id}/timeline")
    quotes = re.findall(r"<q>([^<]*)</q>", page)
    older = re.search(r'href="([^"]*cursor=\d+)"', page)

    assert ["resume 29", "pause 29"] == quotes[:2]
    assert older is not None
    assert "pause 0" in await operator.text(older[1])


async def test_an_unknown_backfill_is_a_page(site: Site) -> None:
    admin = await site.sign_in("admin")
    for path in ("", "/entities", "/entities/x", "/timeline", "/settings", "/pause"):
        answer = await admin.get(f"/backfills/{uuid4()}{path}")

        assert 404 == answer.status, path
        assert "There is nothing here" in await answer.text(), path


async def test_ended_ones_say_nothing_of_machinery(site: Site, pool: Pool, clock: FakeClock) -> None:
    person: Person = await site.sign_in("viewer")
    for status in sorted(ENDED):
        backfill = await make_backfill(pool)
        await put_into(pool, backfill, status)
        page = await person.text(f"/backfills/{backfill.id}")

        for word in ("Rate", "In flight", "Expected end", "pending"):
            assert word not in page.partition('<main id="main"')[2], (status, word)


@pytest.mark.parametrize(
    ("recheck", "said"),
    [(True, "no longer matches the filter right before its start is skipped"), (False, "is exactly what runs")],
)
async def test_whoever_approves_is_told_whether_the_filter_is_asked_again(
    site: Site, pool: Pool, recheck: bool, said: str
) -> None:
    backfill = await make_backfill(pool, recheck=recheck)
    await put_into(pool, backfill, Status.PAUSED)
    await hold(pool, backfill, ReasonCode.AWAITING_APPROVAL, to_run=3, left_out=None)
    person = await site.sign_in("operator")
    settings = await person.text(f"/backfills/{backfill.id}/settings")

    assert said in await person.text(f"/backfills/{backfill.id}/resume")
    assert recheck == ("each is tested against the filter again" in settings)


async def test_an_entity_leads_to_itself_in_other_backfills_of_the_workflow(
    site: Site, pool: Pool, workflow: Workflow
) -> None:
    anna = await site.sign_in("viewer")
    first, second, third = [
        await make_backfill(pool, workflow, exclusive=False, name=name) for name in ("one", "two", "three")
    ]
    stranger = await make_backfill(pool, await make_workflow(pool, "other"), name="of another workflow")
    await fail_some(pool, first, "a/b", "c")
    await make_ledger(pool, second, {"a/b": "succeeded", "d": "succeeded"})
    await make_ledger(pool, third, {"c": "succeeded"})
    await make_ledger(pool, stranger, {"a/b": "succeeded"})
    page = await anna.text(f"/backfills/{second.id}/entities/a%2Fb")

    assert f'href="/backfills/{first.id}/entities/a%2Fb">one</a>' in page
    assert "http_409" in page
    assert not any(name in page.partition('id="elsewhere"')[2] for name in ("three", "of another workflow", "two"))
    assert 'id="elsewhere"' not in await anna.text(f"/backfills/{second.id}/entities/d")
