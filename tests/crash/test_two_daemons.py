"""Several daemons on one database: a backfill has one owner at a time, and a dead one is followed soon."""

import asyncio
import itertools
import random
import signal
import time

import pytest
from tests.crash.accounts import assert_audit_is_whole, assert_exact, assert_keys_never_change, repeats
from tests.support.daemon import WORKFLOW, Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.crash_points import VARIABLE, Point

MAX_IN_FLIGHT = 10
IDS = [f"T{number:05}" for number in range(30_000)]
FEW = IDS[:3_000]  # enough for what ends by a cancel soon after one was killed
TAKEOVER_WITHIN = 5.0
LEASE = 3.0
SECOND_WORKFLOW = '[[workflows]]\nname = "second"\nexecutor = {{type = "http", url = "{url}/second", headers = {who}}}'
WHO = '{"X-Who" = {secret = "who"}}'


@pytest.fixture
async def daemons(scratch, target, dsn):
    """A and B, who tell the target their names."""
    async with daemon_of("A", scratch, target, dsn) as one, daemon_of("B", scratch, target, dsn) as other:
        await one.make_key()
        other.api_key = one.api_key
        await one.start()
        await other.start()
        yield {"A": one, "B": other}


def daemon_of(name, scratch, target, dsn):
    secret = scratch / f"name-of-{name}"
    secret.write_text(name)
    plan = Plan(
        target.url,
        dsn,
        secrets={"who": secret},
        executor={"headers": {"X-Who": {"secret": "who"}}},
        more=SECOND_WORKFLOW.format(url=target.url, who=WHO),
    )
    return daemon_process(scratch / f"daemon-{name}", plan)


def who(call):
    return call.headers["x-who"]


def other_than(name):
    return "B" if name == "A" else "A"


async def begun(daemons, target, draw, ids=IDS):
    """A backfill that is under way, and the name of its owner."""
    target.script = lambda _: Reply(seconds=draw.uniform(0, 0.02))
    await daemons["A"].upload(ids)
    id = await daemons["A"].create(max_in_flight=MAX_IN_FLIGHT)
    await eventually(lambda: len(target.calls) > 200)
    return id, who(target.calls[-1])


async def starts(target, name, *, since, seconds=10.0):
    """When `name` first started something after `since`."""

    def found():
        return [call.arrived_at for call in reversed(target.calls) if who(call) == name and call.arrived_at > since]

    return min(await eventually(found, seconds=seconds))


def in_turns(calls):
    """The names in the order in which they had their turn."""
    return [name for name, _ in itertools.groupby(who(call) for call in calls)]


async def test_a_killed_owner_is_followed_within_five_seconds(daemons, target, dsn):
    id, owner = await begun(daemons, target, random.Random(3), FEW)
    heir = other_than(owner)
    await daemons[owner].kill()
    killed_at = time.monotonic()
    target.next_generation()
    took = await starts(target, heir, since=killed_at) - killed_at
    await daemons[heir].client.cancel_backfill(id)
    await daemons[heir].ends(id)
    print(f"taken over after {took:.2f} s")

    assert took <= TAKEOVER_WITHIN
    assert [owner, heir] == in_turns(target.calls)
    assert {0: True, 1: True} == {life: most <= MAX_IN_FLIGHT for life, most in target.most_live.items()}
    assert repeats(target) <= 100 + MAX_IN_FLIGHT
    assert_keys_never_change(target)
    await assert_exact(daemons[heir], dsn, id, planned=len(FEW))


@pytest.mark.slow
async def test_an_owner_that_was_frozen_longer_than_its_lease_starts_nothing_any_more(daemons, target, dsn):
    id, owner = await begun(daemons, target, random.Random(4))
    heir = other_than(owner)
    daemons[owner].signal(signal.SIGSTOP)
    frozen_at = time.monotonic()
    target.next_generation()
    took = await starts(target, heir, since=frozen_at) - frozen_at
    await asyncio.sleep(max(0.0, LEASE + 1 - took))
    thawed_at = time.monotonic()
    daemons[owner].signal(signal.SIGCONT)
    await eventually(lambda: daemons[owner].events("lease lost"))
    await asyncio.sleep(1)
    zombie = [call for call in target.calls if who(call) == owner and call.arrived_at > thawed_at]
    await daemons[heir].client.cancel_backfill(id)
    await daemons[heir].ends(id)

    assert took <= TAKEOVER_WITHIN
    assert [] == zombie
    assert [owner, heir] == in_turns(target.calls)
    assert {0: True, 1: True} == {life: most <= MAX_IN_FLIGHT for life, most in target.most_live.items()}
    await assert_exact(daemons[heir], dsn, id, planned=len(IDS))


@pytest.mark.slow
async def test_owners_change_again_and_again_and_never_are_there_two(daemons, target, dsn):
    draw = random.Random(5)
    first, _ = await begun(daemons, target, draw)
    lives = 0
    for _ in range(6):
        await asyncio.sleep(draw.uniform(1, 3))
        name = draw.choice("AB")
        await daemons[name].kill()
        lives += 1
        target.next_generation()
        await daemons[name].launch()
    await daemons["A"].becomes_ready()
    ended = await daemons["A"].ends(first, seconds=120)

    assert "completed" == ended["status"]
    assert len(in_turns(target.calls)) <= 1 + lives
    assert repeats(target) <= lives * (100 + MAX_IN_FLIGHT)
    assert_keys_never_change(target)
    await assert_exact(daemons["A"], dsn, first, planned=len(IDS))


@pytest.mark.slow
@pytest.mark.parametrize("point", [Point.STOP_HEARD, Point.STOP_ACKNOWLEDGED], ids=str)
async def test_an_owner_that_dies_of_a_pause_has_obeyed_it_or_is_waited_for(daemons, target, dsn, point):
    id, owner = await begun(daemons, target, random.Random(8))
    dying, heir = daemons[owner], daemons[other_than(owner)]
    await dying.stop()
    dying.environment = {VARIABLE: str(point)}
    await dying.start()
    await heir.stop()  # so that the one that is going to die is the owner
    await starts(target, owner, since=time.monotonic())
    await heir.start()
    began = time.monotonic()
    await heir.client.pause_backfill(id)
    answered = time.monotonic()
    code = await dying.ended()
    paused = (await heir.backfill(id))["status"]
    await asyncio.sleep(LEASE)
    late = [call for call in target.calls if call.arrived_at > answered]
    await heir.client.resume_backfill(id)
    await heir.client.cancel_backfill(id)
    await heir.ends(id)
    told = await assert_audit_is_whole(dsn, id)

    assert (-signal.SIGKILL, "paused", []) == (code, paused, late)
    assert answered - began < TAKEOVER_WITHIN
    assert (1, 1) == (told["backfill.pause"], told["backfill.cancel"])
    await assert_exact(heir, dsn, id, planned=len(IDS))
    assert_keys_never_change(target)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.02])
async def test_an_edit_during_which_the_owner_is_killed_is_in_force_at_the_next_before_its_first_start(
    daemons, target, dsn, seconds
):
    """Asked of the other daemon."""
    id, owner = await begun(daemons, target, random.Random(9))
    dying, heir = daemons[owner], daemons[other_than(owner)]
    asking = asyncio.create_task(heir.client.edit_backfill(id, {"max_in_flight": 1, "max_attempts": 7}))
    await asyncio.sleep(seconds)
    await dying.kill()
    target.next_generation()
    await asking
    answered = time.monotonic()
    await starts(target, other_than(owner), since=answered)
    shown = await heir.backfill(id)
    most = most_live(target, id, of=other_than(owner), since=answered)
    await heir.client.cancel_backfill(id)
    await heir.ends(id)
    told = await assert_audit_is_whole(dsn, id)

    assert (1, 7) == (shown["max_in_flight"], shown["max_attempts"])
    assert 1 == most
    assert 2 == told["backfill.change"]  # a row for each value
    await assert_exact(heir, dsn, id, planned=len(IDS))
    assert_keys_never_change(target)


@pytest.mark.slow
async def test_two_backfills_are_shared_out_and_each_keeps_its_limit(daemons, target, dsn):
    target.script = lambda _: Reply(seconds=0.01)
    await daemons["A"].upload(IDS[:1000])
    found = {one["name"]: one["id"] async for one in daemons["A"].client.every("workflows", "/workflows")}
    ids = [
        await daemons["A"].create(target_workflow_id=found[WORKFLOW], max_in_flight=4),
        await daemons["B"].create(target_workflow_id=found["second"], max_in_flight=4),
    ]
    for id in ids:
        await daemons["A"].ends(id)
    owners = {id: {who(call) for call in target.calls if call.backfill_id == id} for id in ids}

    assert [1, 1] == [len(names) for names in owners.values()]
    assert dict.fromkeys(ids, 4) == {id: most_live(target, id) for id in ids}
    assert 0 == repeats(target) - 1000  # every entity is in both
    for id in ids:
        await assert_exact(daemons["A"], dsn, id, planned=1000)


def most_live(target, backfill_id, *, of=None, since=0.0):
    """The most calls of one backfill, started since then by one daemon (None: any), that were ever open at once."""
    calls = [call for call in target.calls if call.backfill_id == backfill_id and call.arrived_at > since]
    calls = [call for call in calls if of in (None, who(call))]
    ends = [(call.ended_at, -1) for call in calls if call.ended_at is not None]
    moments = sorted(ends + [(call.arrived_at, 1) for call in calls])
    return max(itertools.accumulate(change for _, change in moments))
