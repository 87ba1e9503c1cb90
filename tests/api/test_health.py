"""What is open to everybody: health, versions, metrics."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isnan
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.api.conftest import Serve
from tests.support.clock import FakeClock

from backfilld import __version__
from backfilld.api.health import MetricsAccess, routes
from backfilld.domain.backfills.backlog import ActiveBackfills, Backlog
from backfilld.metrics import Metrics


class Parts:
    """The daemon's parts, in the state that a test gives them."""

    database_name = "backfilld on /run/backfilld"
    stopped_since: datetime | None = None

    def __init__(self, **wrong: str | None) -> None:
        self.wrong = wrong

    async def checks(self) -> Mapping[str, str | None]:
        return self.wrong


NOW = FakeClock().now()


async def counted() -> Backlog:
    active = [
        ActiveBackfills("running", None, 2, 30, 4, NOW - timedelta(seconds=7)),
        ActiveBackfills("paused", "sample_done", 1, 5, 0, NOW - timedelta(hours=1)),
        ActiveBackfills("waiting", "outside_window", 1, 100, 1, None, NOW + timedelta(minutes=2)),
    ]
    return Backlog(active, 6, NOW - timedelta(seconds=90))


def access(active: Any = counted, metrics: Metrics | None = None, *, public: bool = True) -> MetricsAccess:
    return MetricsAccess(metrics or Metrics(), active, public, FakeClock())


def series(text: str) -> dict[tuple[str, frozenset[str]], float]:
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_living_process_says_so(serve: Serve) -> None:
    client = await serve(routes(Parts()), role=None)
    answer = await client.get("/healthz")
    body = await answer.json()

    assert (200, "ok", __version__) == (answer.status, body["status"], body["version"])
    assert body["tzdata"]


async def test_readiness_names_the_database_and_what_is_wrong(serve: Serve) -> None:
    parts = Parts(database=None, scheduler=None)
    client = await serve(routes(parts), role=None)
    ready = await client.get("/readyz")
    parts.wrong["scheduler"] = "not started yet"
    unready = await client.get("/readyz")
    body = await unready.json()

    assert (200, "ready") == (ready.status, (await ready.json())["status"])
    assert (503, "not_ready") == (unready.status, body["status"])
    assert "backfilld on /run/backfilld" == body["database"]
    assert {"ok": False, "message": "not started yet"} == body["checks"]["scheduler"]
    assert "5" == unready.headers["Retry-After"]


async def test_digdag_clients_may_go_on(serve: Serve) -> None:
    client = await serve(routes(Parts()), role=None)
    version = await (await client.get("/api/version")).json()
    check = await (await client.get("/api/version/check?client=0.10.4&whatever=1")).json()

    assert {"version": __version__} == version
    assert {"serverVersion": __version__, "upgradeRecommended": False, "apiCompatible": True} == check


@pytest.mark.parametrize(("public", "role", "status"), [(True, None, 200), (False, None, 401), (False, "viewer", 200)])
async def test_metrics_ask_for_a_viewer_unless_public(serve: Serve, public: bool, role: Any, status: int) -> None:
    client = await serve(routes(Parts(), access(public=public)), role=role)

    assert status == (await client.get("/metrics")).status


async def test_metrics_tell_of_requests_and_backfills(serve: Serve) -> None:
    metrics = Metrics()
    client = await serve(routes(Parts(), access(metrics=metrics)), role=None, observe=metrics.observe_request)
    await client.get("/healthz")
    await client.get("/nowhere/at/all")
    answer = await client.get("/metrics")
    found = series(await answer.text())

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert 1 == found["backfilld_http_requests_total", frozenset({"GET", "/healthz", "200"})]
    assert 1 == found["backfilld_http_requests_total", frozenset({"GET", "unknown", "404"})]
    assert 2 == found["backfilld_backfills", frozenset({"running", ""})]
    assert 1 == found["backfilld_backfills", frozenset({"waiting", "outside_window"})]


async def test_metrics_are_told_although_the_database_is_away(serve: Serve) -> None:
    database = {"is_away": False}

    async def active() -> Backlog:
        if database["is_away"]:
            raise ConnectionError
        return await counted()

    client = await serve(routes(Parts(), access(active)), role=None)
    await client.get("/metrics")
    database["is_away"] = True
    answer = await client.get("/metrics")
    found = series(await answer.text())

    assert 200 == answer.status
    assert "backfilld_backfills" not in {name for name, _ in found}
    assert isnan(found["backfilld_pending_items", frozenset()])


async def test_metrics_tell_what_is_still_to_be_done_and_since_when_nothing_ended(serve: Serve) -> None:
    client = await serve(routes(Parts(), access()), role=None)
    found = series(await (await client.get("/metrics")).text())
    backlog = (
        "pending_items", "retrying_items", "last_outcome_age_seconds", "next_opening_seconds", "waiting_attempts",
        "schedule_lag_seconds",
    )  # fmt: skip

    assert [135, 5, 7, 120, 6, 90] == [found[f"backfilld_{name}", frozenset()] for name in backlog]


async def test_nothing_to_be_done_is_zero_and_has_no_instants(serve: Serve) -> None:
    async def none() -> Backlog:
        return Backlog()

    client = await serve(routes(Parts(), access(none)), role=None)
    found = series(await (await client.get("/metrics")).text())

    assert [0, 0] == [found[f"backfilld_{name}", frozenset()] for name in ("pending_items", "retrying_items")]
    assert isnan(found["backfilld_last_outcome_age_seconds", frozenset()])
    assert isnan(found["backfilld_next_opening_seconds", frozenset()])
    assert isnan(found["backfilld_schedule_lag_seconds", frozenset()])


async def test_a_schedule_that_is_not_due_is_not_late(serve: Serve) -> None:
    async def later() -> Backlog:
        return Backlog(next_run_at=NOW + timedelta(hours=1))

    client = await serve(routes(Parts(), access(later)), role=None)
    found = series(await (await client.get("/metrics")).text())

    assert 0 == found["backfilld_schedule_lag_seconds", frozenset()]
