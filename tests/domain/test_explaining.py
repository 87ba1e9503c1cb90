"""Why nothing, or not more, is starting: what is said of a backfill at one moment."""

from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.domain.test_holding import NEW_YORK, NOON, TEXTS, of
from tests.engine.parts import a_backfill

from backfilld.domain.backfill_settings import SlowDown
from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import Bound, Estimate, Unknown
from backfilld.domain.backfills.explaining import ORDER, Standing, explain, in_order
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.progress import Counts
from backfilld.domain.backfills.remedies import BEING_ASKED, REMEDIES
from backfilld.domain.backfills.slowing import Slowed
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.sentences import plain

R, S = ReasonCode, Status
COUNTS = Counts(10_000, 9_700, 5_811, 249, 300, 0, 0, 4, 3_636)
HOUR = timedelta(hours=1)
ENDS = Estimate(NOON, NOON + HOUR)


def standing(status: Status = S.RUNNING, *reasons: Any, counts: Counts = COUNTS, **changes: Any) -> Standing:
    backfill = a_backfill(status=status, max_in_flight=4)
    return Standing(backfill, counts, in_order(reasons), NOON, **changes)


def told(found: Standing) -> list[str]:
    return [plain(sentence, NEW_YORK, NOON) for sentence in explain(found).sentences]


def test_every_code_has_a_remedy_and_a_place_in_the_order():
    assert set(ReasonCode) <= set(REMEDIES)
    assert set(ReasonCode) <= set(ORDER)


@pytest.mark.parametrize(("code", "case", "text"), TEXTS)
@pytest.mark.parametrize("until", [None, NOON + timedelta(seconds=21)])
def test_what_would_change_it_is_said_of_every_reason(code: ReasonCode, case: str, text: str, until: Any):
    if until is None and "until" in text.split("[")[0]:
        until = NOON
    found = explain(standing(S.RUNNING, replace(of(code, case), until=until)))
    said = [plain(sentence, NEW_YORK, NOON) for sentence in found.sentences]

    assert (code is R.RECOVERING) == found.starting
    assert 2 <= len(said)
    assert all(one and not any(odd in one for odd in ("None", "{", "[", "T1")) for one in said)


def test_a_target_that_is_being_probed_is_being_asked_right_now():
    reason = because(R.TARGET_UNREACHABLE, since=NOON - HOUR, target="crm.example:443", problem="nobody listens")

    assert [
        "The target crm.example:443 cannot be reached since Mon 06:00 New York: nobody listens.",
        f"{BEING_ASKED}; no item is charged a try; goes on by itself.",
    ] == told(standing(S.RUNNING, reason))


def test_what_stands_behind_the_first_blocker_is_said_too():
    paused = because(R.PAUSED_BY_USER, since=NOON - timedelta(minutes=12), who="ops", why="ledger is being re-indexed")
    shut = because(R.OUTSIDE_WINDOW, since=NOON, until=NOON + 15 * HOUR)
    stopped = because(R.STOPPED_BY_OPERATOR, since=NOON - timedelta(minutes=5), who="admin")
    found = standing(S.PAUSED, stopped, shut, paused)

    assert [
        "Paused by ops 12 m ago: “ledger is being re-indexed”.",
        "3,640 are left. Nothing starts until somebody resumes it.",
        "It is also closed until Mon 22:00 New York.",
        "Behind that: Everything was stopped by admin 5 m ago.",
    ] == told(found)
    assert ["ops", None, "admin"] == [blocker.by for blocker in explain(found).blockers]
    assert f"/public-api/backfills/{found.backfill.id}/resume" == explain(found).blockers[0].link


@pytest.mark.parametrize(
    ("untils", "expected"),
    [([HOUR], HOUR), ([HOUR, 2 * HOUR], 2 * HOUR), ([HOUR, None], None), ([-HOUR], timedelta(0))],
)
def test_the_next_start_is_when_nothing_is_in_the_way_any_more(untils: list, expected: timedelta | None):
    codes = (R.RATE_LIMITED, R.TARGET_UNREACHABLE)
    reasons = [
        because(code, since=NOON, until=until and NOON + until, target="a")
        for code, until in zip(codes, untils, strict=False)
    ]

    found = explain(standing(S.RUNNING, *reasons))

    assert (False, None if expected is None else NOON + expected) == (found.starting, found.next_start_at)


def test_without_a_blocker_it_is_what_limits_the_speed():
    found = standing(counts=replace(COUNTS, in_flight=4), per_minute=132.4, estimate=ENDS, places=(7, 90))

    assert [
        "4 of 4 in flight, about 132 a minute; more would need a higher limit.",
        "3,644 are left; at the recent rate the end is expected Mon 08:00 New York.",
    ] == told(found)
    assert [("max_in_flight", 4, 4), ("max_in_flight_total", 90, 7)] == [
        (limit.what, limit.value, limit.in_use) for limit in explain(found).limits
    ]
    assert (True, None) == (explain(found).starting, explain(found).next_start_at)


def test_recovering_is_no_blocker_but_a_limit():
    found = standing(S.RUNNING, of(R.RECOVERING, "first"))

    assert (
        "Repeating what a killed daemon may have started: 4 of at most 12; then at full pace again." == told(found)[0]
    )
    assert () == explain(found).blockers
    assert ("recovering", 12, 4) == (explain(found).limits[-1].what, explain(found).limits[-1].value,
                                     explain(found).limits[-1].in_use)  # fmt: skip


def test_while_it_is_planned_nothing_starts():
    found = standing(S.PLANNING, counts=Counts(4_300, 4_300, 0, 0, 0, 0, 0, 0, 4_300))

    assert ["Counting, 4,300 so far.", "Nothing starts before the plan is frozen."] == told(found)
    assert not explain(found).starting


@pytest.mark.parametrize(
    ("status", "counts", "sentence"),
    [
        (S.COMPLETED, Counts(500, 500, 480, 0, 20, 0, 0, 0, 0), "Everything is done: 500 of 500."),
        (S.COMPLETED, Counts(0, 0, 0, 0, 0, 0, 0, 0, 0), "Nothing was to be done: the plan is empty."),
        (S.COMPLETED_WITH_FAILURES, Counts(1436, 1436, 1382, 54, 0, 0, 0, 0, 0),
         "54 of 1,436 failed; everything else is done."),
        (S.COMPLETED_WITH_FAILURES, Counts(100, 98, 0, 98, 2, 0, 0, 0, 0), "All 98 failed."),
        (S.CANCELLED, Counts(100, 100, 30, 0, 0, 70, 0, 0, 0), "Cancelled: 30 of 100 are done, 70 were left out."),
    ],
)  # fmt: skip
def test_what_has_ended_has_a_verdict(status: Status, counts: Counts, sentence: str):
    found = standing(status, counts=counts)

    assert [sentence] == told(found)
    assert (False, None, ()) == (explain(found).starting, explain(found).next_start_at, explain(found).limits)


def test_what_cannot_go_on_says_why():
    found = standing(S.FAILED)
    found = replace(found, backfill=replace(found.backfill, error={"code": "source_broken", "message": "no column id"}))

    assert ["It cannot go on: no column id."] == told(found)


def test_a_pace_a_budget_and_a_cap_are_told_beside_what_is_in_flight():
    bounds = [Bound("starts_per_minute", 1 / 6, 10), Bound("target_starts_per_minute", 1 / 3, 60, "crm", 2)]
    known = {"others_at_budget": "“a” and 2 others", "turn": NOON + timedelta(seconds=4)}
    paced = standing(bounds=bounds, known=known, per_minute=9.5, credits_used=12.5)
    settings = replace(paced.backfill.settings, max_credits=20)
    found = replace(paced, backfill=replace(paced.backfill, settings=settings))

    assert [
        "One start every 6 s (10 a minute asked for); the next in 4 s.",
        "The target gets at most 60 a minute, shared with “a” and 2 others.",
    ] == told(found)[1:3]
    assert {"starts_per_minute": (10, 9.5), "target_starts_per_minute": (60, None), "max_credits": (20, 12.5)} == {
        limit.what: (limit.value, limit.in_use) for limit in explain(found).limits if limit.what != "max_in_flight"
    }


def test_requests_are_told_where_they_are_what_makes_it_end_later():
    hourly = Allowance("requests_per_hour", 2_500, 3_600, 1.0, 5_000, "psa", used=1_000, others=1)
    slowed = replace(ENDS, limited_by=hourly)

    assert [
        "Of connection psa at most 5,000 requests an hour may be asked, shared with 1 other: about 42 items a minute."
    ] == told(standing(estimate=slowed, allowances=[hourly]))[1:2]
    assert 2 == len(told(standing(estimate=ENDS, allowances=[hourly])))
    assert ("requests_per_hour", 5_000, 2_000, "psa", 2_500 / 60) == astuple(
        explain(standing(allowances=[hourly])).limits[1]
    )


@pytest.mark.parametrize(("found", "by_workflow", "end"), [
    (ENDS, True, "as fast as its workflow was before the end is expected Mon 08:00 New York."),
    (Estimate(NOON, None, Unknown.NO_SPEED), False,
     "the end cannot be estimated: nothing of it has run yet to tell its speed."),
    (Estimate(NOON, None, Unknown.NO_SPEED, earliest_at=NOON + HOUR), False,
     "the end cannot be estimated: nothing of it has run yet to tell its speed; not before Mon 08:00 New York."),
    (Estimate(NOON, None, Unknown.TOO_FAR), False, "the end cannot be estimated: it is more than ten years away."),
])  # fmt: skip
@pytest.mark.parametrize("shut", [True, False])
def test_what_the_end_stands_on_is_said_and_why_it_is_not_known(found: Any, by_workflow: bool, end: str, shut: bool):
    closed = [because(R.OUTSIDE_WINDOW, since=NOON, until=NOON + HOUR)] if shut else []

    assert f"3,640 are left; {end}" == told(standing(S.RUNNING, *closed, estimate=found, by_workflow=by_workflow))[-1]


def test_between_which_times_the_end_is_expected_is_said_where_it_is_known():
    found = standing(estimate=ENDS, ends_between=(NOON + HOUR / 2, NOON + 2 * HOUR))

    assert (
        "3,640 are left; at the recent rate the end is expected Mon 08:00 New York (between Mon 07:30 New York and"
        " Mon 09:00 New York)." == told(found)[-1]
    )


def test_a_limit_that_follows_the_latency_says_what_the_target_takes():
    terms = SlowDown(500, "p90", 20)
    slow, unknown = Slowed(2, 4, 1.4, terms), Slowed(1, 4, None, terms)
    found = standing(S.RUNNING, slowed=slow)

    assert (
        "2 of 4 in flight: the target takes 1.4 s for nine of ten (limit 0.5 s); one more every 20 good ones."
        == told(found)[0]
    )
    assert (
        "1 of 4 in flight: nothing is known yet of the latency of the target"
        in told(standing(S.RUNNING, slowed=unknown))[0]
    )
    assert ("slow_down", 2) in [(limit.what, limit.value) for limit in explain(found).limits]
    assert "in flight" in told(standing(S.RUNNING, slowed=Slowed(4, 4, 0.1, terms)))[0]


def test_every_brake_that_holds_is_a_blocker():
    brakes = [because(R.BRAKED, since=NOON, case="first", brake=name) for name in ("one", "two")]
    critical = because(R.BRAKED_CRITICALLY, since=NOON, brake="three", value="130")
    blockers = explain(standing(S.RUNNING, *brakes, critical)).blockers

    assert [R.BRAKED_CRITICALLY, R.BRAKED, R.BRAKED] == [blocker.code for blocker in blockers]
