"""A backfill over somebody's REST API, from its plan to its outcomes."""

import re
from datetime import UTC, datetime

import pytest
from tests.engine.parts import MONDAY_NOON_TO_ONE
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.backfills import make_backfill
from tests.support.engine import SteppedClock, engine_on
from tests.support.fake_control import FakeControl
from tests.support.http_types import http_types, text_of
from tests.support.waiting import eventually

from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Limits

OPEN = {"combinator": "and", "not": False, "rules": [{"field": "status", "operator": "=", "value": "open"}]}


@pytest.fixture
async def api():
    records = [{"id": n, "name": f"record {n}", "status": "closed" if n % 5 == 0 else "open"} for n in range(250)]
    async with serving(GenericApi(records)) as fake:
        yield fake


async def test_what_matches_is_started_with_its_attributes(dsn, pool, api, tmp_path):
    async with http_types(tmp_path, text_of(api.url), pool, SteppedClock()) as (sources, _):
        backfill = await make_backfill(pool, filter_resolved=OPEN)
        async with engine_on(dsn, pool, source=sources) as engine:
            await engine.until(backfill, "completed")

    assert sorted(str(n) for n in range(250) if n % 5) == sorted(start.entity_id for start in engine.executor.starts)
    assert {"open"} == {start.attributes["status"] for start in engine.executor.starts}


async def test_a_refused_credential_holds_and_fails_no_item(dsn, pool, api, tmp_path, monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 1.1)  # worth telling at once
    async with http_types(tmp_path, text_of(api.url), pool, SteppedClock()) as (sources, connection):
        api.reply(401, {"error": "no"})
        backfill = await make_backfill(pool, filter_resolved=OPEN)
        async with engine_on(dsn, pool, source=sources) as engine:
            reason = await eventually(lambda: reason_of(engine, backfill))
            connection.heal()
            await engine.until(backfill, "completed")

    assert "source_refused" == reason.code
    assert "answers 401" in reason.message
    assert 200 == len(engine.executor.starts)


async def test_a_used_up_budget_holds_and_says_until_when(dsn, pool, api, tmp_path):
    text = text_of(api.url, "requests_per_hour = 2")
    async with http_types(tmp_path, text, pool, SteppedClock()) as (sources, _):
        backfill = await make_backfill(pool, filter_resolved=OPEN)
        async with engine_on(dsn, pool, source=sources) as engine:
            reason = await eventually(lambda: reason_of(engine, backfill))

    assert "source_budget" == reason.code
    assert "the 2 requests an hour" in reason.message
    assert 3500 < (reason.until - reason.since).total_seconds() <= 3600
    assert 2 == len(api.asked)


@pytest.mark.parametrize(("start", "asked"), [("when_approved", True), ("now", False)])
async def test_a_plan_that_waits_for_approval_is_listed_outside_its_windows(dsn, pool, api, tmp_path, start, asked):
    clock = SteppedClock(datetime(2027, 3, 1, 15, tzinfo=UTC))
    text = text_of(api.url).replace("plan_outside_windows = true", "")
    async with http_types(tmp_path, text, pool, clock) as (sources, _):
        backfill = await make_backfill(
            pool, filter_resolved=OPEN, start=start, daily_execution_windows=MONDAY_NOON_TO_ONE
        )
        async with engine_on(dsn, pool, source=sources, clock=clock) as engine:
            reason = await eventually(lambda: reason_of(engine, backfill))

    assert ("awaiting_approval" if asked else "outside_window") == reason.code
    assert asked == bool(api.asked)


async def reason_of(engine, backfill):
    return (await engine.tools.backfills.get(backfill.id)).reason


SHIFTING = 'paging = { type = "page", parameter = "page", size_parameter = "limit", size = 100, total = "total" }'


async def test_a_listing_that_shifted_is_told_with_the_plan(dsn, pool, api, tmp_path):
    text = text_of(api.url).replace('path = "/keyset"', 'path = "/page"')
    text = re.sub(r"paging = .*", SHIFTING, re.sub(r"read = .*", "", text)).replace("push.status", "#")
    api.on_request = lambda asked: "page" in asked.query and api.records.pop(max(api.records))  # with every page
    async with http_types(tmp_path, text, pool, SteppedClock()) as (sources, _):
        backfill = await make_backfill(pool, filter_resolved=OPEN)
        async with engine_on(dsn, pool, source=sources) as engine:
            await engine.until(backfill, "completed")
            kept = await engine.tools.backfills.get(backfill.id)
        operations = BackfillOperations(
            pool, sources=sources, control=FakeControl(), clock=SteppedClock(), limits=Limits()
        )
        told = await operations.approval.warnings(kept)
        explanation, _ = await operations.explainer.explain(backfill.id)

    assert list(kept.plan_remarks) == told
    assert told[0].startswith("records moved while they were listed, 3 times over, so some of type ticket may be")
    assert explanation.sentences[-1][0].startswith("Records moved while they were listed")


async def test_a_filter_that_the_api_does_not_understand_is_told_with_the_plan(dsn, pool, api, tmp_path):
    async with http_types(tmp_path, text_of(api.url), pool, SteppedClock()) as (sources, _):
        api.reply(400, {"error": "unknown field"})
        backfill = await make_backfill(pool, filter_resolved=OPEN)
        async with engine_on(dsn, pool, source=sources) as engine:
            await engine.until(backfill, "completed")
            kept = await engine.tools.backfills.get(backfill.id)

    assert 200 == len(engine.executor.starts)
    assert [
        "crm does not understand the filter, so every ticket was listed, and the filter tested on each:"
        ' crm: GET /keyset answers 400: {"error": "unknown field"}'
    ] == kept.plan_remarks
