"""A target that is down, that refuses us or that is overwhelmed is waited for: no entity fails of it."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

ENTITIES = [f"T{number:04}" for number in range(400)]


async def begun(daemon, target, seconds=0.01):
    """A backfill that has done a part of its work."""
    target.script = lambda _: Reply(seconds=seconds)
    await daemon.start()
    await daemon.upload(ENTITIES)
    id = await daemon.create()
    await eventually(lambda: len(target.calls) > 100)
    return id


async def says(daemon, id, code):
    """The reason, once the backfill says that it is this one."""

    async def reason():
        found = (await daemon.backfill(id))["status_reason"]
        return found if found and found["code"] == code else None

    return await eventually(reason)


async def assert_all_succeeded(daemon, dsn, id, *, seconds=60.0):
    ended = await daemon.ends(id, seconds=seconds)
    found = await assert_exact(daemon, dsn, id, planned=len(ENTITIES))

    assert ("completed", len(ENTITIES)) == (ended["status"], found["succeeded"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "outage", [pytest.param(2.0, id="seconds"), pytest.param(60.0, id="a-minute", marks=pytest.mark.slow)]
)
async def test_a_target_that_is_down_for_a_while_is_waited_for(daemon, target, dsn, outage):
    id = await begun(daemon, target)
    target.close()
    closed_at = time.monotonic()
    reason = await says(daemon, id, "target_unreachable")
    await eventually(lambda: time.monotonic() - closed_at > outage, seconds=outage + 5)
    meanwhile = await daemon.backfill(id)
    target.open()

    assert target.url in reason["message"]
    assert ("running", 0) == (meanwhile["status"], meanwhile["failed_count"])
    await assert_all_succeeded(daemon, dsn, id, seconds=90)
    assert_keys_never_change(target)


@pytest.mark.slow
async def test_a_target_that_answers_401_holds_the_backfill_and_costs_no_item_a_try(daemon, target, dsn):
    id = await begun(daemon, target)
    target.script = lambda _: Reply(401)
    reason = await says(daemon, id, "target_refuses")
    refused = sum(call.status == 401 for call in target.calls)
    meanwhile = await daemon.backfill(id)
    target.script = lambda _: Reply()

    assert "refuses us" in reason["message"]
    assert reason["until"] is not None
    assert 1 <= refused <= 10  # whatever was in flight, and no storm behind it
    assert 0 == meanwhile["failed_count"] == meanwhile["retrying_count"]
    await assert_all_succeeded(daemon, dsn, id)
    assert {1} == {call.attempt for call in target.calls}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_target_that_asks_for_patience_gets_it(daemon, target, dsn, form):
    id = await begun(daemon, target)
    calm_at = time.monotonic() + 1.5

    def overwhelmed(call):
        if time.monotonic() > calm_at:
            return Reply(seconds=0.01)
        after = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        return Reply(429, headers={"Retry-After": after})

    began = len(target.calls)
    target.script = overwhelmed
    await says(daemon, id, "rate_limited")
    await assert_all_succeeded(daemon, dsn, id)
    refused = [call for call in target.calls[began:] if call.status == 429]
    # full volleys at most: those in flight when the first 429 came, and as many after each pause
    volleys = sum(later.arrived_at - earlier.arrived_at > 0.5 for earlier, later in pairwise(refused))

    assert refused
    assert len(refused) <= 10 * (volleys + 1)
    assert_keys_never_change(target)
