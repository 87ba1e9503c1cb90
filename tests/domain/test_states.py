"""Which status may follow which: the whole table, move by move, and what the groups of statuses say of it."""

from itertools import product

import pytest

from backfilld.domain.backfills.states import ACTIVE, ENDED, MOVES, RUNNABLE, STARTABLE, Status, end_status, may_become

S = Status
# who may follow whom, written down once more and by hand: a move that slips into the table must be wanted here too
FOLLOWERS = {
    S.PLANNING: {S.RUNNING, S.WAITING, S.COMPLETED, S.PAUSED, S.CANCELLING, S.FAILED},
    S.RUNNING: {S.WAITING, S.PAUSED, S.CANCELLING, S.COMPLETED, S.COMPLETED_WITH_FAILURES, S.FAILED},
    S.WAITING: {S.RUNNING, S.PAUSED, S.CANCELLING, S.COMPLETED, S.COMPLETED_WITH_FAILURES, S.FAILED},
    S.PAUSED: {S.PLANNING, S.RUNNING, S.WAITING, S.CANCELLING, S.FAILED},
    S.CANCELLING: {S.CANCELLED},
    S.CANCELLED: set(),
    S.COMPLETED: set(),
    S.COMPLETED_WITH_FAILURES: set(),
    S.FAILED: set(),
}


@pytest.mark.parametrize(("current", "wanted"), list(product(Status, Status)))
def test_a_move_is_legal_exactly_if_it_is_wanted(current: Status, wanted: Status):
    assert (wanted in FOLLOWERS[current]) == (current in may_become(wanted))


def test_every_move_says_why():
    assert all(len(why) > 10 for why in MOVES.values())


def test_what_has_ended_stays_so_and_nothing_else_does():
    assert {status for status, following in FOLLOWERS.items() if not following} == ENDED


def test_a_status_is_either_active_or_ended():
    assert set(Status) == ACTIVE | ENDED
    assert not ACTIVE & ENDED


def test_every_status_can_be_reached():
    reached, border = {S.PLANNING}, {S.PLANNING}
    while border:
        border = {after for before, after in MOVES if before in border} - reached
        reached |= border

    assert set(Status) == reached


def test_from_every_active_status_the_end_can_be_reached_by_cancelling():
    assert may_become(S.CANCELLING) | {S.CANCELLING} == ACTIVE


def test_only_what_can_be_run_can_start_items():
    assert STARTABLE < RUNNABLE < ACTIVE
    assert {S.PAUSED} == ACTIVE - RUNNABLE


@pytest.mark.parametrize(
    ("failed", "expected"), [(0, S.COMPLETED), (1, S.COMPLETED_WITH_FAILURES), (7, S.COMPLETED_WITH_FAILURES)]
)
def test_one_failure_shows_in_the_end(failed: int, expected: Status):
    assert expected is end_status(failed=failed)
