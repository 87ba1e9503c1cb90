"""What one try means for its item, for every way in which it can end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import NOON

from backfilld.domain.backfills.records import Item, Outcome, Try
from backfilld.domain.backfills.retries import LONGEST_WAIT, MOST_TRIES, Backoff, Held, interrupted, judge
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind

K = VerdictKind
FRESH = Item(backfill_number=1, position=4, entity_id="e", attributes={}, as_of=None, read_at=0.0)
LATER = NOON + timedelta(seconds=3)
FINAL = {K.SUCCEEDED: "succeeded", K.SKIPPED: "skipped", K.FAILED: "failed"}


def judged(
    kind: VerdictKind, item: Item = FRESH, *, others: bool = False, most: int = 3, draw: float = 0.5, **said: object
) -> Outcome | Try | Held:
    return judge(
        Verdict(kind, **said),
        item,
        started_at=NOON,
        finished_at=LATER,
        max_attempts=most,
        others_succeed=others,
        backoff=Backoff(),
        draw=lambda: draw,
    )


def tried(times: int, counted: int | None = None) -> Item:
    return replace(FRESH, tries=times, counted=times if counted is None else counted)


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("kind", FINAL)
def test_an_answer_about_the_item_ends_it_at_the_first_try(kind: VerdictKind, others: bool):
    result = judged(kind, others=others, error_class="http_404")

    assert (FINAL[kind], 1) == (result.status, result.attempts)


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("item", [FRESH, tried(1), tried(40), tried(MOST_TRIES)])
def test_a_target_that_refuses_us_costs_the_item_nothing_ever(item: Item, others: bool):
    assert Held("no credit left") == judged(K.REFUSED, item, others=others, error="no credit left")


@pytest.mark.parametrize("kind", [K.UNREACHABLE, K.THROTTLED])
def test_an_engine_that_is_away_or_has_enough_costs_an_item_nothing_however_others_fare(kind: VerdictKind):
    result = judged(kind, tried(40, 0), others=True, most=1, error_class="x", is_uncounted=True)

    assert isinstance(result, Try)
    assert 0 == result.counted


@pytest.mark.parametrize("most", [1, 2, 3, 20])
def test_a_try_that_counts_ends_the_item_at_max_attempts_and_not_before(most: int):
    before = [judged(K.TRY_AGAIN, tried(n), most=most) for n in range(most - 1)]
    last = judged(K.TRY_AGAIN, tried(most - 1), most=most)

    assert all(isinstance(result, Try) for result in before)
    assert ("failed", most) == (last.status, last.attempts)


@pytest.mark.parametrize("kind", [K.UNREACHABLE, K.THROTTLED])
def test_what_happens_to_the_target_does_not_count_while_nothing_else_succeeds(kind: VerdictKind):
    result = judged(kind, tried(500, counted=2))

    assert isinstance(result, Try)
    assert (501, 2) == (result.attempt, result.counted)


@pytest.mark.parametrize("kind", [K.UNREACHABLE, K.THROTTLED])
def test_what_happens_to_one_item_alone_counts(kind: VerdictKind):
    second = judged(kind, tried(7, counted=1), others=True)
    third = judged(kind, tried(8, counted=2), others=True, error_class="http_503")

    assert (8, 2) == (second.attempt, second.counted)
    assert ("failed", 9, "http_503") == (third.status, third.attempts, third.error_class)


@pytest.mark.parametrize("kind", [K.UNREACHABLE, K.THROTTLED])
def test_tries_end_before_their_number_does_not_fit_the_ledger(kind: VerdictKind):
    assert isinstance(judged(kind, tried(MOST_TRIES - 2, counted=0)), Try)
    assert "failed" == judged(kind, tried(MOST_TRIES - 1, counted=0)).status


@pytest.mark.parametrize("kind", [K.TRY_AGAIN, K.UNREACHABLE, K.THROTTLED, K.FAILED])
def test_a_failure_always_has_a_class(kind: VerdictKind):
    last = judged(kind, tried(MOST_TRIES))
    first = judged(kind, most=1, others=True)

    assert kind.value == last.error_class == first.error_class


@pytest.mark.parametrize("kind", [K.SUCCEEDED, K.SKIPPED])
def test_what_did_not_fail_has_no_error(kind: VerdictKind):
    result = judged(kind, error_class="http_500", error="left over", http_status=200)

    assert (None, None, 200) == (result.error_class, result.error, result.http_status)


def test_only_a_skip_has_a_reason_for_it():
    reasons = {kind: judged(kind).skip_reason for kind in FINAL}

    assert {K.SUCCEEDED: None, K.SKIPPED: "skipped_by_target", K.FAILED: None} == reasons


@given(tries=st.integers(1, MOST_TRIES), draw=st.floats(0, 1, exclude_max=True))
def test_a_wait_lies_between_the_floor_and_the_doubled_base(tries: int, draw: float):
    backoff = Backoff()
    longest = min(backoff.cap, backoff.base * 2 ** min(tries - 1, 40))

    assert backoff.floor <= backoff.wait(tries, None, lambda: draw) <= backoff.floor + longest


def test_waits_grow_up_to_the_cap():
    waits = [Backoff().wait(tries, None, lambda: 1.0) for tries in (1, 2, 3, 9, 10, 11, 30_000)]

    assert [2.2, 4.2, 8.2, 512.2, 600.2, 600.2, 600.2] == [wait.total_seconds() for wait in waits]


@given(asked=st.floats(0, 86_400), tries=st.integers(1, 50), draw=st.floats(0, 1, exclude_max=True))
def test_what_the_target_asks_for_is_never_undercut_nor_stretched(asked: float, tries: int, draw: float):
    backoff = Backoff()
    wait = backoff.wait(tries, asked, lambda: draw)

    assert timedelta(seconds=asked) <= wait <= timedelta(seconds=asked) + backoff.floor


@pytest.mark.parametrize("asked", [86_401.0, 1e9, 1e300, float("inf")])
def test_no_target_makes_an_item_wait_longer_than_a_day(asked: float):
    assert LONGEST_WAIT <= Backoff().wait(1, asked, lambda: 1.0) <= LONGEST_WAIT + timedelta(seconds=1)


@pytest.mark.parametrize("asked", [-1.0, -1e300])
def test_a_time_in_the_past_means_now(asked: float):
    assert timedelta() == Backoff().wait(1, asked, lambda: 0.0)


def test_the_next_try_is_due_after_the_end_of_this_one():
    result = judged(K.TRY_AGAIN, draw=0.0, retry_after_seconds=60.0)

    assert LATER + timedelta(seconds=60) == result.next_attempt_at


def test_an_item_that_is_no_more_tried_says_how_often_the_process_died():
    item = replace(tried(3), interruptions=3, first_started_at=NOON)
    outcome = interrupted(item, LATER)

    assert ("failed", "interrupted", 3, NOON) == (
        outcome.status,
        outcome.error_class,
        outcome.attempts,
        outcome.started_at,
    )
    assert "3 times" in outcome.error


# What a target may have received

CONFLICT = Verdict(K.FAILED, error_class="http_409", error="HTTP 409 Conflict", http_status=409, is_about_key=True)
LOCKED = Verdict(K.FAILED, error_class="http_423", error="HTTP 423 Locked", http_status=423, is_about_key=True)
EARLY = Verdict(K.TRY_AGAIN, error_class="http_425", error="HTTP 425 Too Early", http_status=425, is_about_key=True)
TIMEOUT = Verdict(K.TRY_AGAIN, error_class="timeout")
RESET = Verdict(K.TRY_AGAIN, error_class="reset")
UNREADABLE = Verdict(K.TRY_AGAIN, error_class="bad_answer", http_status=200)
FORGOTTEN = Verdict(K.TRY_AGAIN, error_class="poll_http_404", http_status=404)
BUSY = Verdict(K.THROTTLED, error_class="http_429", http_status=429)
NOBODY = Verdict(K.UNREACHABLE, error_class="connect_failed")
HUNG_UP = Verdict(K.UNREACHABLE, error_class="connection_closed")


def of_status(status: int, kind: VerdictKind = K.TRY_AGAIN) -> Verdict:
    return Verdict(kind, error_class=f"http_{status}", http_status=status)


def after(*verdicts: Verdict, item: Item = FRESH, seconds_apart: float = 1.0, most: int = 3, timeout: float = 10.0):
    """What the last of several tries means, and its item before that."""
    result: Outcome | Try | Held | None = None
    for number, verdict in enumerate(verdicts):
        if isinstance(result, Try):
            item = replace(
                item, tries=result.attempt, counted=result.counted, in_doubt=result.in_doubt,
                unknown_since=result.unknown_since,
            )  # fmt: skip
        at = NOON + timedelta(seconds=number * seconds_apart)
        result = judge(
            verdict, item, started_at=at, finished_at=at, max_attempts=most, timeout_seconds=timeout,
            others_succeed=False, backoff=Backoff(), draw=lambda: 0.5,
        )  # fmt: skip
    return result, item


@pytest.mark.parametrize("conflict", [CONFLICT, LOCKED, EARLY], ids=lambda verdict: verdict.error_class)
@pytest.mark.parametrize(
    "before",
    [
        (TIMEOUT,), (RESET,), (UNREADABLE,), (FORGOTTEN,), (HUNG_UP,), (of_status(500),), (of_status(599),),
        (of_status(502, K.UNREACHABLE),), (of_status(503, K.UNREACHABLE),), (of_status(504, K.UNREACHABLE),),
        (TIMEOUT, NOBODY), (TIMEOUT, BUSY), (RESET, BUSY, NOBODY), (TIMEOUT, CONFLICT), (NOBODY, TIMEOUT),
    ],
    ids=lambda verdicts: "-".join(verdict.error_class for verdict in verdicts),
)  # fmt: skip
def test_a_conflict_about_a_key_that_may_have_been_sent_is_not_known_yet(before, conflict):
    result, item = after(*before, conflict)

    assert isinstance(result, Try)
    assert (item.counted, True) == (result.counted, result.in_doubt)
    assert conflict.error_class == result.error_class
    assert "not known yet" in result.error


@pytest.mark.parametrize(
    "before", [(), (BUSY,), (NOBODY,), (of_status(408),), (BUSY, NOBODY)], ids=lambda before: f"{len(before)}-before"
)
def test_a_conflict_about_a_key_that_was_never_in_doubt_stays_what_it_is(before):
    assert ("failed", "http_409") == (after(*before, CONFLICT)[0].status, after(*before, CONFLICT)[0].error_class)
    assert ("failed", "http_423") == (after(*before, LOCKED)[0].status, after(*before, LOCKED)[0].error_class)
    assert after(*before, EARLY)[0].counted == 1 + sum(verdict.kind is K.TRY_AGAIN for verdict in before)


def test_a_repeat_after_a_kill_is_in_doubt_from_the_start():
    assert isinstance(after(CONFLICT, item=replace(FRESH, in_doubt=True))[0], Try)


@pytest.mark.parametrize("most", [1, 3, 20])
@pytest.mark.parametrize("timeout", [0.5, 60.0])
def test_a_conflict_is_waited_out_for_as_long_as_all_tries_may_take_from_the_first_one_on(most, timeout):
    killed = replace(FRESH, in_doubt=True)
    longest = timeout * most
    before = after(CONFLICT, CONFLICT, item=killed, seconds_apart=longest - 0.01, most=most, timeout=timeout)[0]
    over = after(CONFLICT, CONFLICT, item=killed, seconds_apart=longest, most=most, timeout=timeout)[0]

    assert (0, NOON) == (before.counted, before.unknown_since)
    assert before.next_attempt_at == NOON + timedelta(seconds=longest)
    assert ("failed", "http_409", 409) == (over.status, over.error_class, over.http_status)
    assert f"it has answered for {longest:.0f} s" in over.error


def test_what_comes_between_two_conflicts_does_not_begin_the_wait_anew():
    result, _ = after(TIMEOUT, CONFLICT, BUSY, of_status(503, K.UNREACHABLE), CONFLICT)

    assert NOON + timedelta(seconds=1) == result.unknown_since


def test_a_conflict_waits_for_as_long_as_the_target_asks():
    result, _ = after(replace(CONFLICT, retry_after_seconds=1000.0), item=replace(FRESH, in_doubt=True))

    assert timedelta(seconds=1000) <= result.next_attempt_at - NOON <= timedelta(seconds=1001)


@pytest.mark.parametrize("verdict", [of_status(404, K.FAILED), Verdict(K.SUCCEEDED), of_status(400, K.FAILED)])
def test_a_definite_answer_ends_an_item_in_doubt(verdict):
    assert isinstance(after(TIMEOUT, CONFLICT, verdict)[0], Outcome)
