"""The pages of the installation: what they show in each state, and what their verbs do."""

import asyncio
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from tests.engine.brakes.signals import Scripted, brake
from tests.engine.notifications.listening import listening
from tests.support.backfills import Workflow, make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.system import System
from tests.web.conftest import Site

from backfilld.domain.access.callers import ROLES, Actor, Role
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.engine.notifications.endpoint import Endpoint
from backfilld.engine.starting.targets.budget import BudgetTerms
from backfilld.engine.starting.targets.target_health import Route
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.engines import EngineReport
from backfilld.operations.keys import create_key
from backfilld.store.connection.pool import Pool

CRM = "https://crm.example"
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_401", error="HTTP 401: invalid token", http_status=401)
ANNA = Actor.local("anna")
EMPTY = {
    "/system": "All is well.",
    "/system/targets": "This daemon has sent nothing yet.",
    "/system/sources": "All records are kept here.",
    "/system/brakes": "There are no brakes.",
    "/system/workflows": "There are no workflows.",
    "/system/notifications": "Nobody is told what happens.",
    "/system/audit?who=nobody": "Nothing of that kind was done.",
    "/system/workflows?cursor=nonsense": "There are no workflows.",
    "/system/audit?cursor=nonsense&who=nobody": "Nothing of that kind was done.",
    "/system/audit?since=yesterday": "Write it like 2027-03-14",
}


async def test_a_page_without_anything_says_what_would_stand_there(site: Site) -> None:
    person = await site.sign_in("viewer")
    for path, said in EMPTY.items():
        assert said in await person.text(path), path


async def test_a_viewer_sees_every_page_and_no_verb_that_works(site: Site, system: System, workflow: Workflow) -> None:
    _full(system)
    person = await site.sign_in("viewer")
    for page in site.pages:
        if page.method == "GET" and page.path.startswith("/system") and "{" not in page.path and page.role == "viewer":
            text = await person.text(page.path)

            assert "data-dialog" not in text, page.path


async def test_everything_is_stopped_and_started_again_and_every_page_says_so(site: Site, clock: FakeClock) -> None:
    operator, admin, viewer = [await site.sign_in(role) for role in ("operator", "admin", "viewer")]
    asked = await operator.text("/system/stop-all")
    done = await operator.post("/system/stop-all", reason="incident <4711>")
    await clock.advance(timedelta(minutes=5))
    pages = [await viewer.text(path) for path in ("/", "/system", "/account", "/system/audit")]
    refused = await operator.post("/system/start-all")
    started = await admin.post("/system/start-all", reason="it is over")
    after = await viewer.text("/")

    assert "What is in flight finishes." in asked
    assert (303, "/system") == (done.status, done.headers["Location"])
    for text in pages:
        assert "Everything is stopped: nothing starts." in text
        assert "By the operator, " in text
        assert "5 m ago" in text
        assert "incident &lt;4711&gt;" in text
    assert 403 == refused.status
    assert 303 == started.status
    assert "Everything is stopped" not in after


@pytest.mark.parametrize(("role", "works"), [("viewer", False), ("operator", False), ("admin", True)])
async def test_only_an_admin_is_offered_to_start_everything(site: Site, role: Role, works: bool) -> None:
    await (await site.sign_in("operator")).post("/system/stop-all")
    text = await (await site.sign_in(role)).text("/")

    assert works == ('href="/system/start-all"' in text)
    assert "Start everything…" in text


async def test_what_is_wrong_with_the_daemon_leads_its_page(site: Site, system: System) -> None:
    system.checks["database"] = "backfilld on /run/x does not record outcomes: DiskFullError"
    text = await (await site.sign_in("viewer")).text("/system")

    assert "This daemon cannot do its work." in text
    assert "Backfilld on /run/x does not record outcomes: DiskFullError." in text


async def test_a_target_that_refuses_is_first_and_is_asked_again_at_once(
    site: Site, system: System, pool: Pool, clock: FakeClock
) -> None:
    _full(system)
    person = await site.sign_in("operator")
    before, health = await person.text("/system/targets"), system.targets.health(CRM, Route("notify", 1, CRM))
    waits = health.reason()
    asked = await person.text(f"/system/targets/try-now?target={CRM}")
    done = await person.post("/system/targets/try-now", target=CRM, reason="the token is new")
    unknown = await person.post("/system/targets/try-now", target="https://nobody.example")

    assert before.index(CRM) < before.index("https://erp.example")
    assert "Refuses <b>notify</b>" in before
    assert "HTTP 401: invalid token" in before
    assert waits is not None
    assert CRM in asked
    assert 303 == done.status
    assert health.reason() is None
    assert 404 == unknown.status
    assert "the token is new" == await pool.fetchval("SELECT reason FROM audit_log WHERE action = 'target.try_now'")


async def test_a_brake_is_looked_at_reset_and_held_open(site: Site, system: System, clock: FakeClock) -> None:
    signal = Scripted(200)
    system.brakes.put([brake("crm_lag", signal)])
    await system.brakes.remember()
    admin = await site.sign_in("admin")
    await admin.post("/system/brakes/crm_lag/test")
    held, bad = await admin.text("/system/brakes"), await admin.post("/system/brakes/crm_lag/reset")
    never = await admin.post("/system/brakes/crm_lag/release", minutes="100000")
    released = await admin.post("/system/brakes/crm_lag/release", minutes="60", reason="I look after it")
    shown = await admin.text("/system/brakes")
    signal.value = 1
    well = await admin.post("/system/brakes/crm_lag/reset")

    assert "Critical" in held
    assert 409 == bad.status
    assert "crm_lag is still bad" in (await bad.text())[:20_000].replace("Crm_lag", "crm_lag")
    assert (422, 303, 303) == (never.status, released.status, well.status)
    assert "Held open by the admin until" in shown
    assert "I look after it" in shown


async def test_an_endpoint_is_tested_and_what_it_did_not_get_is_sent_again(
    site: Site, system: System, pool: Pool, workflow: Workflow
) -> None:
    async with listening() as hook:
        system.deliverer.put([Endpoint("on call", "standard", lambda: hook.url, frozenset({"created"}))])
        await make_backfill(pool)
        await system.deliverer.tick()
        hook.answers = [500, 200]
        admin = await site.sign_in("admin")
        failed = await (await admin.post("/system/notifications/on%20call/test")).text()
        arrived = await (await admin.post("/system/notifications/on%20call/test")).text()
        for courier in system.deliverer:
            await courier.tick()
        listed = await admin.text("/system/notifications/on%20call")
        id = await pool.fetchval("SELECT id FROM deliveries")
        again = await admin.post(f"/system/notifications/on%20call/deliveries/{id}/resend")
        every = await admin.post("/system/notifications/on%20call/resend")
        for courier in system.deliverer:
            await courier.close()

    assert "the test did not arrive" in failed
    assert "the test arrived" in arrived
    assert "Arrived" in listed
    assert "created" in listed
    assert (303, "/system/notifications/on%20call") == (again.status, again.headers["Location"])
    assert 303 == every.status
    assert 404 == (await admin.get("/system/notifications/nobody")).status


async def test_keys_are_shown_to_admins_made_by_people_and_revoked(site: Site, pool: Pool, clock: FakeClock) -> None:
    made = await create_key(pool, clock, name="<ci>", role="viewer", actor=ANNA)
    viewer, admin = await site.sign_in("viewer"), await site.sign_in("admin")
    hidden, seen = await viewer.text("/system/keys"), await admin.text("/system/keys")
    refused = await admin.post("/system/keys/new", name="mine", role="admin", days="30")
    revoked = await admin.post(f"/system/keys/{made.id}/revoke")
    after = await admin.text("/system/keys")

    assert "&lt;ci&gt;" not in hidden
    assert "Who has keys is shown to admins." in hidden
    assert "&lt;ci&gt;" in seen
    assert made.key not in seen
    assert 403 == refused.status  # whoever is signed in with a key is no person
    assert 303 == revoked.status
    assert "Revoked" in after
    assert 404 == (await admin.post(f"/system/keys/{uuid4()}/revoke")).status


async def test_a_workflow_of_the_api_is_disabled_enabled_and_deleted_and_one_of_the_file_is_not(
    site: Site, system: System
) -> None:
    executor = {"type": "http", "url": "https://crm.example/notify"}
    ours = await system.verbs.workflows.create(
        WorkflowDefinition.model_validate({"name": "notify", "executor": executor}), ANNA
    )
    await system.verbs.workflows.sync_config([{"name": "classify", "executor": executor}])
    (file,) = [one for one in await system.verbs.workflows.list() if one.name == "classify"]
    admin = await site.sign_in("admin")
    statuses = [
        (await admin.post(f"/system/workflows/{id}/{verb}")).status
        for id, verb in ((ours.id, "disable"), (ours.id, "enable"), (file.id, "disable"), (ours.id, "delete"))
    ]
    text = await admin.text("/system/workflows")

    assert [303, 303, 409, 303] == statuses
    assert "classify" in text
    assert "kept in the configuration file" in text
    assert "notify</h2>" not in text


async def test_the_audit_log_is_filtered_and_goes_on_where_a_page_ends(site: Site, pool: Pool) -> None:
    operator = await site.sign_in("operator")
    for number in range(26):
        await operator.post("/system/stop-all", reason=f"<b>{number}</b>")
        await (await site.sign_in("admin")).post("/system/start-all") if number == 0 else await _start(site, pool)
    first = await operator.text("/system/audit?action=daemon.stop_all")
    none = await operator.text("/system/audit?who=nobody")

    assert "&lt;b&gt;25&lt;/b&gt;" in first
    assert "stopped everything" in first
    assert "Nothing of that kind" in none


async def _start(site: Site, pool: Pool) -> None:
    await pool.execute("UPDATE stop_order SET stopped = false, version = version + 1")


async def test_a_source_is_tested_and_says_what_it_found(site: Site, system: System, pool: Pool) -> None:
    person = await site.sign_in("operator")
    seen = await (await person.post("/system/sources/ticket/test")).text()
    unknown = await person.post("/system/sources/tickets/test")

    assert "ticket: it can be read" in seen
    assert "none known" in seen
    assert 404 == unknown.status


@pytest.mark.parametrize(("problem", "words"), [(None, "work could run there"), ("answers 401", "answers 401")])
async def test_an_engine_is_listed_and_tested(site: Site, system: System, problem: str | None, words: str) -> None:
    system.engines["wf"] = cast(Any, Engine_(problem))
    person = await site.sign_in("operator")
    listed = await person.text("/system/targets")
    tested = await (await person.post("/system/engines/wf/test")).text()
    unknown = await person.post("/system/engines/nobody/test")

    assert "digdag at https://wf.example" in listed
    assert words in tested
    assert "runs are kept for one day" in tested
    assert 404 == unknown.status


class Engine_:
    """One that answers as it is told."""

    name, kind, address = "wf", "digdag", "https://wf.example"

    def __init__(self, problem: str | None) -> None:
        self._problem = problem

    async def test(self) -> EngineReport:
        return EngineReport(self._problem, {"version": "0.10.6"}, ("runs are kept for one day there",))


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_sent_anew_is_what_the_page_showed(site: Site, system: System, role: Role) -> None:
    _full(system)
    person = await site.sign_in(role)
    page = await person.text("/system/targets")
    async with await person.get("/events/system/targets", headers={"Accept": "text/event-stream"}) as stream:
        async with asyncio.timeout(10):
            event = (await stream.content.readuntil(b"\n\n")).decode()

    assert 'hx-target="#part"' in event
    assert 'hx-target="#stopped"' in event
    assert ("try-now" in page) == ("try-now" in event) == (role != "viewer")
    assert "csrf" not in event


async def test_there_is_no_stream_of_a_page_that_is_not_live(site: Site) -> None:
    assert 404 == (await (await site.sign_in("viewer")).get("/events/system/keys")).status


def _full(system: System) -> None:
    system.targets.health(CRM, Route("notify", 1, CRM)).note(REFUSED, 1, probe=False, at=NOON)
    system.targets.health("https://erp.example", Route("classify", 2, "https://erp.example"))
    system.targets.put_budgets([BudgetTerms("crm", frozenset({CRM}), 60, 0.1)])
    system.brakes.put([brake("crm_lag", Scripted(200))])
