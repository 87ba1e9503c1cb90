"""How a target is: when the breaker opens, who may probe, what closes it, and how long a Retry-After holds."""

from datetime import timedelta

import pytest
from tests.engine.parts import Target, step
from tests.support.clock import NOON, FakeClock

from backfilld.bus import Bus
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import TargetHealth
from backfilld.events import BreakerMoved

DOWN = Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error="connection refused")
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_401", error="who are you?", http_status=401)
NOT_FOUND = Verdict(VerdictKind.FAILED, error_class="http_404", http_status=404)


def throttled(seconds: float | None = None) -> Verdict:
    return Verdict(VerdictKind.THROTTLED, error_class="http_429", retry_after_seconds=seconds)


@pytest.fixture
def target(clock: FakeClock) -> Target:
    return Target(clock)


@pytest.fixture
def health(target: Target) -> TargetHealth:
    return target.health


def fail(health: TargetHealth, *items: str) -> None:
    for item in items:
        health.note(DOWN, item, probe=health.start())


def code(health: TargetHealth) -> ReasonCode | None:
    reason = health.reason()
    return None if reason is None else reason.code


async def test_it_opens_after_five_failures_in_a_row(health: TargetHealth):
    fail(health, "a", "b", "c", "d")
    before = code(health)
    fail(health, "e")

    assert before is None
    assert ReasonCode.TARGET_UNREACHABLE is code(health)


async def test_one_poisoned_item_never_opens_it(health: TargetHealth):
    fail(health, *["poisoned"] * 50)

    assert code(health) is None


@pytest.mark.parametrize("answer", [SUCCEEDED, NOT_FOUND, Verdict(VerdictKind.TRY_AGAIN), throttled(0)])
async def test_any_answer_ends_the_row(health: TargetHealth, answer: Verdict):
    fail(health, "a", "b", "c", "d")
    health.note(answer, "x", probe=False)
    fail(health, "a", "b", "c", "d")

    assert code(health) is None


async def test_an_answer_forgets_which_items_failed(health: TargetHealth):
    fail(health, "a")
    health.note(SUCCEEDED, "x", probe=False)
    fail(health, *["b"] * 20)

    assert code(health) is None


async def test_after_a_while_one_probe_may_start_and_nothing_beside_it(health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    closed_until = health.reason().until
    await clock.advance(1.0)

    assert NOON + timedelta(seconds=1) == closed_until
    assert code(health) is None
    assert health.is_half_open
    assert health.start()
    assert ReasonCode.TARGET_UNREACHABLE is code(health)
    assert health.reason().until is None


async def test_a_probe_that_is_answered_opens_the_gate_for_all(target: Target, health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    await clock.advance(1.0)
    health.note(NOT_FOUND, "f", probe=health.start())

    assert code(health) is None
    assert not health.is_half_open
    assert ["open", "half_open", "closed"] == [event.state for event in target.told if isinstance(event, BreakerMoved)]


async def test_probes_become_rarer_up_to_a_limit(health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    waits = []
    for _ in range(7):
        waits.append((health.reason().until - clock.now()).total_seconds())
        await clock.advance(waits[-1])
        fail(health, "p")

    assert [1, 2, 4, 8, 16, 30, 30] == waits


async def test_a_probe_that_fails_before_the_gate_backs_off_too(health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    await clock.advance(1.0)
    health.note(DOWN, "f", probe=False)  # no connection: it never came to a start

    assert ReasonCode.TARGET_UNREACHABLE is code(health)
    assert clock.now() + timedelta(seconds=2) == health.reason().until


async def test_stragglers_of_the_same_outage_do_not_make_the_wait_longer(health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    for item in "fghij":
        health.note(DOWN, item, probe=False)

    assert clock.now() + timedelta(seconds=1) == health.reason().until


async def test_a_probe_that_tells_nothing_lets_the_next_one_go(health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    await clock.advance(1.0)
    health.start()
    health.abandon_probe()

    assert code(health) is None
    assert health.start()


async def test_an_outage_that_follows_a_recovery_is_probed_soon_again(health: TargetHealth, clock: FakeClock):
    fail(health, *"abcde")
    for _ in range(4):
        await clock.advance(60)
        fail(health, "p")
    await clock.advance(60)
    health.note(SUCCEEDED, "p", probe=health.start())
    fail(health, *"abcde")

    assert clock.now() + timedelta(seconds=1) == health.reason().until


async def test_one_refusal_holds_everybody(health: TargetHealth, clock: FakeClock):
    health.note(REFUSED, "a", probe=health.start())

    assert ReasonCode.TARGET_REFUSES is code(health)
    assert clock.now() + timedelta(seconds=5) == health.reason().until
    assert "who are you?" in health.reason().message


async def test_a_refusal_is_probed_and_held_longer_each_time(health: TargetHealth, clock: FakeClock):
    health.note(REFUSED, "a", probe=health.start())
    waits = []
    for _ in range(6):
        waits.append((health.reason().until - clock.now()).total_seconds())
        await clock.advance(waits[-1])
        health.note(REFUSED, "a", probe=health.start())

    assert [5, 10, 20, 40, 60, 60] == waits


async def test_a_probe_that_is_refused_before_the_gate_makes_the_hold_longer_too(
    health: TargetHealth, clock: FakeClock
):
    """A secret that is missing or unusable: the try never starts, and must not be made again at once, for ever."""
    health.note(REFUSED, "a", probe=False)
    await clock.advance(5)
    health.note(REFUSED, "a", probe=False)

    assert clock.now() + timedelta(seconds=10) == health.reason().until


async def test_refusals_of_what_was_in_flight_already_do_not_make_the_hold_longer(
    health: TargetHealth, clock: FakeClock
):
    for item in "abcde":
        health.note(REFUSED, item, probe=False)

    assert clock.now() + timedelta(seconds=5) == health.reason().until


async def test_a_target_that_takes_us_again_is_used_at_once(health: TargetHealth, clock: FakeClock):
    health.note(REFUSED, "a", probe=health.start())
    await clock.advance(5)
    health.note(SUCCEEDED, "a", probe=health.start())

    assert code(health) is None


async def test_a_retry_after_holds_for_as_long_as_it_says(health: TargetHealth, clock: FakeClock):
    health.note(throttled(90), "a", probe=False)
    await clock.advance(89)
    nearly = health.reason()
    await clock.advance(1)

    assert (ReasonCode.RATE_LIMITED, NOON + timedelta(seconds=90)) == (nearly.code, nearly.until)
    assert code(health) is None


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(90, "asked us to slow down: Retry-After 90 s."), (0.5, ": Retry-After 0.5 s."), (None, "asked us to slow down.")],
)
async def test_the_reason_says_for_how_long_a_target_asked_to_be_left_alone(health: TargetHealth, seconds, told):
    health.note(throttled(seconds), "a", probe=False)
    health.note(throttled(0), "b", probe=False)

    assert told in health.reason().message


async def test_a_shorter_retry_after_does_not_cut_a_longer_one_short(health: TargetHealth, clock: FakeClock):
    health.note(throttled(90), "a", probe=False)
    health.note(throttled(5), "b", probe=False)
    await clock.advance(60)

    assert ReasonCode.RATE_LIMITED is code(health)


async def test_whoever_says_too_many_without_a_time_gets_doubling_pauses(health: TargetHealth, clock: FakeClock):
    pauses = []
    for _ in range(7):
        health.note(throttled(), "a", probe=False)
        pauses.append((health.reason().until - clock.now()).total_seconds())
        await clock.advance(pauses[-1])

    assert [1, 2, 4, 8, 16, 30, 30] == pauses


async def test_those_that_were_on_their_way_when_a_pause_began_make_it_no_longer(
    health: TargetHealth, clock: FakeClock
):
    pauses = []
    for _ in range(3):
        for item in "abcdefgh":
            health.note(throttled(), item, probe=False)
        pauses.append((health.reason().until - clock.now()).total_seconds())
        await clock.advance(pauses[-1])

    assert [1, 2, 4] == pauses


async def test_the_pause_of_a_target_holds_for_every_backfill_that_uses_it(clock: FakeClock):
    targets = Targets(clock, Bus())
    targets.health("http://a").note(throttled(90), "1/1", probe=False)

    assert ReasonCode.RATE_LIMITED is code(targets.health("http://a"))
    assert code(targets.health("http://b")) is None


@pytest.mark.parametrize("by", [timedelta(hours=-9), timedelta(hours=9)])
async def test_a_stepped_wall_clock_neither_opens_nor_closes_anything(
    health: TargetHealth, clock: FakeClock, by: timedelta
):
    fail(health, *"abcde")
    health.note(throttled(60), "f", probe=False)
    health.note(REFUSED, "f", probe=False)
    step(clock, by)
    held = code(health)
    await clock.advance(5)
    paused = code(health)
    await clock.advance(55)

    assert ReasonCode.TARGET_REFUSES is held
    assert ReasonCode.RATE_LIMITED is paused
    assert code(health) is None


@pytest.mark.parametrize("by", [timedelta(hours=-9), timedelta(hours=9)])
async def test_after_a_step_the_time_that_is_told_is_still_the_one_that_comes(
    health: TargetHealth, clock: FakeClock, by: timedelta
):
    health.note(throttled(60), "f", probe=False)
    step(clock, by)
    paused_until = health.reason().until
    fail(health, *"abcde")
    step(clock, by)
    open_until = health.reason().until

    assert NOON + by + timedelta(seconds=60) == paused_until
    assert clock.now() + timedelta(seconds=1) == open_until


async def test_the_time_that_is_told_does_not_flicker(health: TargetHealth, clock: FakeClock):
    health.note(throttled(60), "f", probe=False)
    told = set()
    for _ in range(20):
        told.add(health.reason().until)
        await clock.advance(0.7)
        step(clock, timedelta(milliseconds=3))  # as the time of a network is followed

    assert 1 == len(told)


async def test_a_suspended_machine_has_waited(health: TargetHealth, clock: FakeClock):
    health.note(throttled(3600), "a", probe=False)
    clock.suspend(timedelta(hours=2))

    assert code(health) is None


async def test_whoever_listens_hears_of_every_change(health: TargetHealth, clock: FakeClock):
    heard: list[ReasonCode | None] = []
    stop = health.listen(lambda: heard.append(code(health)))
    fail(health, *"abcde")
    assert [ReasonCode.TARGET_UNREACHABLE] == heard
    await clock.advance(1)
    health.note(SUCCEEDED, "f", probe=health.start())
    assert heard[1:]
    assert {None} == set(heard[1:])
    health.note(throttled(9), "f", probe=False)
    assert ReasonCode.RATE_LIMITED is heard[-1]
    stop()
    count = len(heard)
    fail(health, *"abcde")

    assert count == len(heard)


async def test_a_reload_forgets_refusals_and_outages_but_not_what_the_target_asked_for(clock: FakeClock):
    targets = Targets(clock, Bus())
    targets.health("x").note(REFUSED, "a", probe=False)
    targets.health("y").note(throttled(60), "a", probe=False)
    targets.reset()

    assert code(targets.health("x")) is None
    assert ReasonCode.RATE_LIMITED is code(targets.health("y"))


async def test_a_late_failure_of_a_probe_that_was_overtaken_does_not_close_a_target_that_answers(
    health: TargetHealth, clock: FakeClock
):
    fail(health, *"abcde")
    await clock.advance(1)
    is_probe = health.start()
    health.note(SUCCEEDED, "started-long-ago", probe=False)
    health.note(DOWN, "poisoned", probe=is_probe)

    assert code(health) is None


async def test_an_outage_began_with_its_first_failure_and_lasts_over_probes(health: TargetHealth, clock: FakeClock):
    fail(health, "a")
    began_at = clock.now()
    for item in ("b", "c", "d", "e", "f"):
        await clock.advance(7)
        fail(health, item)
        health.reason()
    since = [health.reason().since]
    for _ in range(3):
        await clock.advance(31)
        fail(health, "g")
        since.append(health.reason().since)

    assert {began_at} == set(since)


async def test_a_refusal_began_with_the_first_one_and_a_pause_with_the_first_429(
    health: TargetHealth, clock: FakeClock
):
    health.note(REFUSED, "a", probe=False)
    refused_at = clock.now()
    await clock.advance(6)
    health.note(REFUSED, "b", probe=health.start())
    refused = health.reason()
    health.reset()
    health.note(throttled(2), "a", probe=False)
    paused_at = clock.now()
    await clock.advance(3)
    health.note(throttled(2), "b", probe=False)
    paused = health.reason()
    await clock.advance(3)
    health.note(SUCCEEDED, "c", probe=False)
    await clock.advance(3)
    health.note(throttled(2), "d", probe=False)

    assert (refused_at, paused_at, clock.now()) == (refused.since, paused.since, health.reason().since)


async def test_what_was_said_before_a_restart_holds_until_a_probe_tells_otherwise(
    health: TargetHealth, clock: FakeClock
):
    said = because(ReasonCode.TARGET_UNREACHABLE, since=NOON - timedelta(hours=1), target="t", problem="gone")
    health.suspect(said)
    opens = health.reason()
    probe = health.start()
    meanwhile = health.reason()
    health.note(DOWN, "a", probe=probe)
    after = health.reason()

    assert (None, True, said.since, said.since) == (opens, probe, meanwhile.since, after.since)
    assert (None, True) == (meanwhile.until, after.until > clock.now())


@pytest.mark.parametrize("code_", [None, ReasonCode.RATE_LIMITED, ReasonCode.OUTSIDE_WINDOW])
async def test_nothing_else_that_was_said_before_a_restart_makes_it_careful(
    health: TargetHealth, code_: ReasonCode | None
):
    health.suspect(None if code_ is None else because(code_, since=NOON, until=NOON, target="t"))

    assert not health.is_half_open


async def test_what_is_known_by_now_wins_over_what_was_said_before(health: TargetHealth):
    health.note(SUCCEEDED, "a", probe=False)
    health.suspect(because(ReasonCode.TARGET_REFUSES, since=NOON, target="t"))

    assert not health.is_half_open


NO_ROOM = Verdict(VerdictKind.NO_ROOM, error_class="no_room", error="Too many open files")


async def test_want_of_room_holds_every_target_for_a_moment_and_blames_none(clock: FakeClock):
    targets = Targets(clock, Bus())
    one, other = targets.health("http://a"), targets.health("http://b")
    for number in range(20):
        one.note(NO_ROOM, number, probe=one.start())
    held = [code(one), code(other)]
    await clock.advance(1.1)
    after = [code(one), code(other)]

    assert [ReasonCode.WAITING_FOR_CAPACITY] * 2 == held
    assert [None, None] == after
    assert not one.is_half_open


async def test_a_shortage_that_lasts_is_waited_for_ever_longer_and_began_once(clock: FakeClock):
    health = Targets(clock, Bus()).health("http://a")
    began, waits = clock.now(), []
    for _ in range(6):
        health.note(NO_ROOM, "a", probe=False)
        reason = health.reason()
        waits.append(round((reason.until - clock.now()).total_seconds()))
        await clock.advance(waits[-1] + 0.1)

    assert [1, 2, 4, 8, 10, 10] == waits
    assert began == reason.since
    assert "no room to start more: Too many open files" in reason.message


async def test_a_probe_that_found_no_room_has_told_nothing(clock: FakeClock, health: TargetHealth):
    fail(health, "a", "b", "c", "d", "e")
    await clock.advance(1.1)
    health.note(NO_ROOM, "a", probe=health.start())
    await clock.advance(1.1)

    assert health.start()
