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
FRESH = Item(backfill_no=1, position=4, entity_id="e", attributes={}, as_of=None, read_at=0.0)
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
