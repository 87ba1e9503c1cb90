"""Whom a refusal concerns: us, on one route; or the one record. And that nobody probes for ever in place of others."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.bus import Bus
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.starting.targets import origin
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import Route, TargetHealth
from backfilld.events import BreakerMoved, Event
from backfilld.executors.base import Work

HOST = "http://crm"
GOOD, BAD = Route("good", 1, f"{HOST}/ok"), Route("bad", 2, f"{HOST}/403/bad")
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_403", error="HTTP 403", http_status=403)
NO_SECRET = Verdict(VerdictKind.REFUSED, error_class="secret_missing", error="there is no secret x")
DOWN = Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error="connection refused")
THROTTLED = Verdict(VerdictKind.THROTTLED, error_class="http_429", http_status=429)
R = ReasonCode


class Two:
    """Two routes to one origin, both with somebody who waits."""

    def __init__(self, clock: FakeClock) -> None:
        self.told: list[Event] = []
        bus = Bus()
        bus.listen(self.told.append)
        self.targets = Targets(clock, bus)
        self.good, self.bad = (self.targets.health(HOST, route) for route in (GOOD, BAD))
        for health in (self.good, self.bad):
            health.listen(lambda: None)


@pytest.fixture
def two(clock: FakeClock) -> Two:
    return Two(clock)


def code(health: TargetHealth) -> ReasonCode | None:
    reason = health.reason()
    return reason.code if reason else None


async def test_a_refusal_holds_its_own_route_and_no_other(two: Two):
    two.bad.note(REFUSED, "b1", probe=False)

    assert R.TARGET_REFUSES is code(two.bad)
    assert code(two.good) is None
    assert not two.good.is_half_open


@pytest.mark.parametrize("other", [Route("bad", 3, BAD.address), Route("bad", 2, f"{HOST}/403/other")])
async def test_another_revision_and_another_address_are_other_routes(two: Two, other: Route):
    two.bad.note(REFUSED, "b1", probe=False)

    assert code(two.targets.health(HOST, other)) is None


@pytest.mark.parametrize(("verdict", "expected"), [(DOWN, R.TARGET_UNREACHABLE), (THROTTLED, R.RATE_LIMITED)])
async def test_an_outage_and_a_pause_hold_every_route_to_the_origin(two: Two, verdict: Verdict, expected: ReasonCode):
    for item in "abcde":
        two.bad.note(verdict, item, probe=False)

    assert [expected, expected] == [code(two.good), code(two.bad)]


async def test_a_refusal_says_that_the_origin_answers(two: Two):
    for item in "abcde":
        two.good.note(DOWN, item, probe=False)
    two.bad.note(REFUSED, "b1", probe=False)

    assert code(two.good) is None
    assert R.TARGET_REFUSES is code(two.bad)


async def test_a_secret_that_is_missing_says_nothing_of_the_origin(two: Two):
    for item in "abcde":
        two.good.note(DOWN, item, probe=False)
    two.bad.note(NO_SECRET, "b1", probe=False)

    assert R.TARGET_UNREACHABLE is code(two.good)


async def test_each_route_is_told_of_under_its_own_name(two: Two):
    two.bad.note(REFUSED, "b1", probe=False)

    assert [(f"{HOST} (bad)", "refusing")] == [(e.target, e.state) for e in two.told if isinstance(e, BreakerMoved)]


async def test_what_another_item_shows_to_be_the_records_fault_is_held_against_the_record(two: Two, clock: FakeClock):
    bad = two.bad
    for item in ("a", "b"):
        bad.note(REFUSED, item, probe=False)
    before = [bad.is_at_fault(item) for item in "abc"]
    await clock.advance(5)
    bad.note(SUCCEEDED, "c", probe=bad.start())

    assert [False, False, False] == before
    assert [True, True, False] == [bad.is_at_fault(item) for item in "abc"]
    assert code(bad) is None


async def test_a_success_of_what_was_in_flight_already_shows_nothing(two: Two, clock: FakeClock):
    two.bad.note(REFUSED, "a", probe=False)
    two.bad.note(SUCCEEDED, "c", probe=False)

    assert not two.bad.is_at_fault("a")
    assert R.TARGET_REFUSES is code(two.bad)


async def test_an_item_that_succeeds_as_the_probe_is_not_at_fault(two: Two, clock: FakeClock):
    two.bad.note(REFUSED, "a", probe=False)
    await clock.advance(5)
    two.bad.note(SUCCEEDED, "a", probe=two.bad.start())

    assert not two.bad.is_at_fault("a")


async def test_a_reload_forgets_who_was_at_fault(two: Two, clock: FakeClock):
    two.bad.note(REFUSED, "a", probe=False)
    await clock.advance(5)
    two.bad.note(SUCCEEDED, "b", probe=two.bad.start())
    two.targets.reset()

    assert not two.bad.is_at_fault("a")


@pytest.mark.parametrize("verdict", [DOWN, THROTTLED])
async def test_whoever_brought_the_last_bad_news_lets_others_go_first(two: Two, clock: FakeClock, verdict: Verdict):
    for item in "abcde":
        two.bad.note(verdict, item, probe=False)
    until = two.bad.reason().until
    await clock.advance((until - clock.now()).total_seconds())
    turns = [code(two.good), code(two.bad)]
    await clock.advance(origin.TURN_SECONDS)

    assert turns[0] is None
    assert turns[1] is not None
    assert code(two.bad) is None  # the other had no use for its turn


async def test_probes_of_an_origin_that_is_down_go_round(two: Two, clock: FakeClock):
    third = two.targets.health(HOST, Route("third", 3))
    third.listen(lambda: None)
    routes = {"bad": two.bad, "good": two.good, "third": third}
    for item in "abcde":
        two.bad.note(DOWN, item, probe=False)
    probed = []
    for _ in range(6):
        while not (free := [name for name, health in routes.items() if health.reason() is None]):
            await clock.advance(0.05)
        probed.append(free[0])
        health = routes[free[0]]
        health.note(DOWN, "p", probe=health.start())

    assert 3 == len(set(probed[:3]))
    assert probed[:3] == probed[3:]


async def test_a_probe_that_was_abandoned_by_its_route_lets_another_route_probe(two: Two, clock: FakeClock):
    for item in "abcde":
        two.good.note(DOWN, item, probe=False)
    await clock.advance(1)
    assert two.bad.start()
    held = code(two.good)
    two.bad.abandon_probe()
    await clock.advance(origin.LONGEST_TURN_SECONDS)

    assert R.TARGET_UNREACHABLE is held
    assert code(two.good) is None


async def test_the_answer_to_one_routes_probe_is_not_taken_for_anothers(two: Two, clock: FakeClock):
    two.bad.note(REFUSED, "b", probe=False)
    await clock.advance(5)
    is_probe = two.bad.start()  # of whether we are welcome
    for item in "abcde":
        two.good.note(DOWN, item, probe=False)
    await clock.advance(1 + origin.LONGEST_TURN_SECONDS)
    assert two.good.start()  # of whether it is there
    two.bad.note(NO_SECRET, "b", probe=is_probe)

    assert two.good.origin.breaker.is_probing


async def test_routes_that_nobody_uses_any_more_are_forgotten(clock: FakeClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("backfilld.engine.starting.targets.known_targets.MOST_IDLE", 10)
    targets = Targets(clock, Bus())
    refusing = targets.health(HOST, Route("w", 1, "kept"))
    refusing.note(REFUSED, "a", probe=False)
    for n in range(100):
        targets.health(HOST, Route("w", 1, str(n)))

    assert 11 >= len(targets._known)
    assert refusing is targets.health(HOST, Route("w", 1, "kept"))


class Paths(ScriptedExecutor):
    """One origin; what happens depends on the workflow."""

    target = HOST

    def address(self, variables: Mapping[str, Any]) -> str:
        return HOST


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (
        ("FIRST_REFUSAL_SECONDS", 0.2),
        ("RAREST_REFUSAL_SECONDS", 0.3),
        ("RECORD_REFUSAL_SECONDS", 0.05),
    ):
        monkeypatch.setattr(f"backfilld.engine.starting.targets.target_health.{name}", seconds)
    for name, seconds in {"THROTTLE_SECONDS": 0.1, "LONGEST_THROTTLE_SECONDS": 0.2}.items():
        monkeypatch.setattr(f"backfilld.engine.starting.targets.origin.{name}", seconds)


@pytest.mark.parametrize("verdict", [REFUSED, pytest.param(THROTTLED, marks=pytest.mark.slow)])
async def test_a_backfill_goes_on_beside_one_that_is_turned_away_at_the_same_host(dsn, pool, quick, verdict: Verdict):
    bad = await make_backfill(pool, filter_resolved={"match_all": True})
    good = await make_backfill(pool, filter_resolved={"match_all": True})

    async def script(work: Work) -> Verdict:
        await asyncio.sleep(0.002)
        return verdict if work.backfill_id == bad.id else SUCCEEDED

    async with engine_on(dsn, pool, Paths(script), ListSource(entities(60))) as engine:
        row = await engine.until(good, "completed", seconds=20)
        stuck = await engine.progress(bad)

    assert "completed" == row.status
    assert 0 == stuck.succeeded + stuck.failed


async def test_records_that_are_refused_fail_by_themselves_and_the_others_succeed(dsn, pool, quick):
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_attempts=2)
    forbidden = {"e000000", "e000007", "e000019"}
    tries: Counter[str] = Counter()

    def script(work: Work) -> Verdict:
        tries[work.entity_id] += 1
        return REFUSED if work.entity_id in forbidden else SUCCEEDED

    async with engine_on(dsn, pool, Paths(script), ListSource(entities(20))) as engine:
        await engine.until(backfill, "completed_with_failures", seconds=20)
        outcomes = await engine.outcomes(backfill)
    failed = await pool.fetch("SELECT DISTINCT error_class, attempts FROM outcomes WHERE status = 'failed'")

    assert {"succeeded": 17, "failed": 3} == outcomes
    assert [("http_403", 2)] == [tuple(row) for row in failed]


@pytest.mark.parametrize("forbidden", [{"e000011"}, {"e000009", "e000010", "e000011"}], ids=["last", "last-three"])
async def test_the_last_records_are_not_asked_for_ever_when_they_are_refused(dsn, pool, quick, forbidden: set[str]):
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_attempts=2, max_in_flight=1)
    executor = Paths(lambda work: REFUSED if work.entity_id in forbidden else SUCCEEDED)
    async with engine_on(dsn, pool, executor, ListSource(entities(12))) as engine:
        await engine.until(backfill, "completed_with_failures", seconds=20)
        outcomes = await engine.outcomes(backfill)

    assert {"succeeded": 12 - len(forbidden), "failed": len(forbidden)} == outcomes


@pytest.mark.parametrize(
    ("last_ones", "seconds_since_welcome", "is_at_fault"),
    [("a", 59, True), ("abc", 59, True), ("abcd", 1, False), ("a", 61, False), ("a", None, False)],
    ids=["last", "last-three", "too-many", "long-ago", "nobody-was-welcome"],
)
async def test_who_is_refused_with_nobody_to_compare_with_is_at_fault_only_if_others_were_welcome_just_before(
    two: Two, clock: FakeClock, last_ones: str, seconds_since_welcome: int | None, is_at_fault: bool
):
    health = two.bad
    if seconds_since_welcome is not None:
        health.note(SUCCEEDED, "z", probe=health.start())
        await clock.advance(seconds_since_welcome)
    for item in last_ones:
        health.note(REFUSED, item, probe=False)
    doubted = []
    for _ in range(3):
        for item in last_ones:
            await clock.advance(60)
            health.note(REFUSED, item, probe=health.start())
            health.doubt(item)
        doubted.append(health.is_at_fault("a"))

    assert [False, False, is_at_fault] == doubted


async def test_who_is_refused_long_after_others_is_waited_for_also_where_records_were_refused_before(
    two: Two, clock: FakeClock
):
    health = two.bad
    health.note(REFUSED, "a", probe=False)
    await clock.advance(5)
    health.note(SUCCEEDED, "z", probe=health.start())
    await clock.advance(3600)  # in which, for all that we know, a token has expired
    health.note(REFUSED, "b", probe=False)
    for _ in range(5):
        await clock.advance(60)
        health.note(REFUSED, "b", probe=health.start())
        health.doubt("b")

    assert [True, False] == [health.is_at_fault(item) for item in "ab"]


async def test_a_secret_that_is_missing_is_no_records_fault(two: Two, clock: FakeClock):
    two.bad.note(SUCCEEDED, "z", probe=False)
    for _ in range(9):
        two.bad.note(NO_SECRET, "a", probe=two.bad.start())
        two.bad.doubt("a")
        await clock.advance(60)

    assert not two.bad.is_at_fault("a")


async def test_where_everything_is_refused_nothing_is_charged(dsn, pool, quick):
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_attempts=1)
    is_welcome = False
    executor = Paths(lambda _: SUCCEEDED if is_welcome else REFUSED)
    async with engine_on(dsn, pool, executor, ListSource(entities(12))) as engine:
        await eventually(lambda: len(executor.starts) > 8)
        meanwhile = await engine.progress(backfill)
        probed = {start.entity_id for start in executor.starts}
        is_welcome = True
        await engine.until(backfill, "completed", succeeded=12)

    assert (0, 0, 0) == (meanwhile.failed, meanwhile.retrying, meanwhile.succeeded)
    assert 6 <= len(probed)  # each probe another item


async def test_an_attempt_that_is_refused_alone_ends_and_the_others_are_not_held_for_it(dsn, pool, quick):
    ids = await make_attempts(pool, 6, max_attempts=2)
    culprit = str(ids[0])
    executor = Paths(lambda work: REFUSED if work.session["attempt_id"] == culprit else SUCCEEDED)
    async with engine_on(dsn, pool, executor, capacity=1, reserve=0) as engine:
        attempts = await all_ended(engine, ids, seconds=20)

    assert ["error"] + ["success"] * 5 == [attempt.status for attempt in attempts]
    assert "http_403" == attempts[0].error_class
