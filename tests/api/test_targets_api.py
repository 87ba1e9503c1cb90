"""`GET /public-api/targets`: how the systems are that workflows send to, as this daemon knows them."""

from datetime import timedelta
from typing import Any

import pytest
from tests.engine.parts import break_down
from tests.support.clock import NOON, FakeClock

from backfilld.api.public import targets as target_routes
from backfilld.bus import Bus
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.starting.targets.budget import BudgetTerms
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import Route
from backfilld.operations.system.targets import TargetOperations
from backfilld.store.connection.pool import Pool

CRM, ERP = "https://crm.example", "https://erp.example"
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_401", error="HTTP 401: invalid token", http_status=401)
PAUSED = Verdict(VerdictKind.THROTTLED, error_class="http_429", retry_after_seconds=20)
WELL = {"state": "closed", "since": None, "last_error": None, "paused_until": None, "refuses": [], "budget": None}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def targets(clock: FakeClock) -> Targets:
    return Targets(clock, Bus())


@pytest.fixture
async def shown(serve: Any, pool: Pool, clock: FakeClock, targets: Targets) -> Any:
    client = await serve(target_routes.routes(TargetOperations(pool, targets, clock)), role="viewer")

    async def ask() -> dict[str, dict[str, Any]]:
        answer = await client.get("/public-api/targets")
        assert 200 == answer.status
        return {one.pop("target"): one for one in (await answer.json())["data"]["targets"]}

    return ask


async def test_nothing_was_used_yet(shown: Any) -> None:
    assert {} == await shown()


async def test_what_uses_an_origin_is_told_with_it(shown: Any, targets: Targets) -> None:
    for name in ("notify", "classify", "notify"):
        targets.health(CRM, Route(name, 1, CRM + "/" + name)).note(SUCCEEDED, 1, probe=False)

    assert {CRM: WELL | {"workflows": ["classify", "notify"]}} == await shown()


async def test_an_outage_is_told_with_its_beginning_and_its_error_is_kept(
    shown: Any, targets: Targets, clock: FakeClock
) -> None:
    health = targets.health(CRM, Route("notify", 1, CRM))
    for item in range(5):
        health.note(Verdict(VerdictKind.UNREACHABLE, error="nobody listens"), item, probe=False)
    down = (await shown())[CRM]
    clock.suspend(timedelta(seconds=2))
    probed = (await shown())[CRM]
    health.note(SUCCEEDED, 1, probe=health.start())
    well = (await shown())[CRM]

    assert ("open", "2027-03-01T12:00:00Z", "nobody listens") == (down["state"], down["since"], down["last_error"])
    assert "half_open" == probed["state"]
    assert ("closed", None, "nobody listens") == (well["state"], well["since"], well["last_error"])


async def test_a_refusal_concerns_the_workflow_that_is_refused(shown: Any, targets: Targets) -> None:
    targets.health(CRM, Route("notify", 1, CRM)).note(REFUSED, 1, probe=False)
    targets.health(CRM, Route("classify", 2, CRM)).note(SUCCEEDED, 2, probe=False)
    told = (await shown())[CRM]

    assert [{"workflow": "notify", "since": "2027-03-01T12:00:00Z"}] == told["refuses"]
    assert ("closed", "HTTP 401: invalid token") == (told["state"], told["last_error"])


async def test_retry_after_is_told_of_the_origin(shown: Any, targets: Targets) -> None:
    targets.health(CRM, Route("notify", 1, CRM)).note(PAUSED, 1, probe=False)
    break_down(targets.health(ERP, Route("post", 2, ERP)))
    told = await shown()

    assert (NOON + timedelta(seconds=20)).isoformat().replace("+00:00", "Z") == told[CRM]["paused_until"]
    assert None is told[ERP]["paused_until"]


async def test_a_budget_is_told_with_how_many_wait(shown: Any, targets: Targets) -> None:
    targets.put_budgets([BudgetTerms("crm", frozenset({CRM}), 30, 0.1)])
    budget = targets.health(CRM, Route("notify", 1, CRM)).origin.budget
    assert budget is not None
    budget.take("a", live=False)
    budget.wait("b")

    assert {"name": "crm", "starts_per_minute": 30, "reserve_for_live": 0.1, "waiting": 1} == (await shown())[CRM][
        "budget"
    ]
