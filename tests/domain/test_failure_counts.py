"""When too much has failed: one below, at and above each number, over restarts, with skips in between."""

import random
from dataclasses import replace

import pytest

from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.backfills.failures.failure_counts import FailureCounts, Trip

USUAL = FailurePolicy()
SMALL = FailurePolicy(max_failure_ratio=0.5, window=10, min_sample=4, max_consecutive_failures=5)
S, F = "succeeded", "failed"


def counted(policy: FailurePolicy, results: list[str]) -> FailureCounts:
    counts = FailureCounts(policy)
    for status in results:
        counts.note(status)
    return counts


@pytest.mark.parametrize(("results", "trip"), [
    ([F] * 4, None),
    ([F] * 5, Trip("row", 5, 5, "5")),
    ([F] * 6, Trip("row", 5, 5, "5")),
    ([*[F] * 4, S, *[F] * 4], Trip("share", 4, 5, "50 %")),
])  # fmt: skip
def test_so_many_in_a_row_are_too_many(results: list[str], trip: Trip | None) -> None:
    assert trip == counted(replace(SMALL, min_sample=5), results).trip


@pytest.mark.parametrize(("results", "trip"), [
    ([F, F, F], None),  # one below the sample
    ([F, F, F, S], Trip("share", 3, 4, "50 %")),  # which a success can fill, too
    ([F, F, S, S], None),  # the ratio itself is not too much
    ([S, S, F, F, F], Trip("share", 3, 5, "50 %")),
])  # fmt: skip
def test_a_greater_share_than_the_ratio_is_too_much_once_the_sample_is_full(
    results: list[str], trip: Trip | None
) -> None:
    assert trip == counted(SMALL, results).trip


@pytest.mark.parametrize(
    ("window", "trip"), [(4, None), (5, Trip("share", 3, 5, "50 %")), (6, Trip("share", 3, 5, "50 %"))]
)
def test_what_has_left_the_window_counts_no_more(window: int, trip: Trip | None) -> None:
    counts = counted(replace(SMALL, window=window, min_sample=4), [F, F, S, S, F])

    assert trip == counts.trip


def test_the_default_stops_at_the_twentieth_in_a_row_and_above_half_of_fifty() -> None:
    assert [False] * 19 + [True] == [counted(USUAL, [F] * n).trip is not None for n in range(1, 21)]
    assert counted(USUAL, [S, F] * 25).trip is None
    assert Trip("share", 26, 51, "50 %") == counted(USUAL, [*[S, F] * 25, F]).trip


@pytest.mark.parametrize("between", ["skipped", "cancelled"])
def test_what_neither_succeeds_nor_fails_is_not_counted(between: str) -> None:
    one_less = counted(USUAL, [F, between] * 19)
    counts = counted(USUAL, [F, between] * 20)

    assert (None, Trip("row", 20, 20, "20")) == (one_less.trip, counts.trip)


def test_the_first_that_is_too_much_is_kept_whatever_comes_after_it() -> None:
    counts = counted(SMALL, [F, F, F, F, F, *[S] * 30])

    assert Trip("share", 4, 4, "50 %") == counts.trip


@pytest.mark.parametrize("seed", range(20))
def test_counts_go_on_from_what_was_kept_of_them_and_are_those_of_a_plain_list(seed: int) -> None:
    chance = random.Random(seed)
    policy = FailurePolicy(
        max_failure_ratio=chance.choice([0.3, 0.5, 1.0]), window=chance.choice([1, 3, 20, 200]), min_sample=1,
        max_consecutive_failures=chance.choice([1, 4, 1000]),
    )  # fmt: skip
    counts, seen, expected = FailureCounts(policy), [], False
    for status in chance.choices([S, F, "skipped"], [9, chance.choice([1, 6]), 1], k=300):
        if chance.random() < 0.2:
            counts = FailureCounts.read(counts.kept(), policy, 0)
        counts.note(status)
        seen += [status] if status != "skipped" else []
        last = seen[-policy.window :]
        in_a_row = policy.max_consecutive_failures
        expected = expected or (bool(last) and last.count(F) > policy.max_failure_ratio * len(last))
        expected = expected or (seen[-in_a_row:] == [F] * in_a_row)

        assert expected == (counts.trip is not None)


def test_a_trip_is_kept() -> None:
    tripped = counted(SMALL, [F] * 4)
    again = FailureCounts.read(tripped.kept(), SMALL, 0)

    assert Trip("share", 4, 4, "50 %") == tripped.trip == again.trip


def test_another_window_and_accepted_failures_begin_anew_and_other_numbers_do_not() -> None:
    kept = counted(SMALL, [F, F, F]).kept()
    same = FailureCounts.read(kept, replace(SMALL, max_consecutive_failures=3), 0)

    assert same.judge()
    assert 0 == FailureCounts.read(kept, replace(SMALL, window=11), 0).run
    assert 0 == FailureCounts.read(kept, SMALL, 3).run
    assert 3 == FailureCounts.read(kept, SMALL, 0).run
