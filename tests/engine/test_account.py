"""What the memory knows of a backfill: the low-water mark above all, which recovery trusts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.parts import an_account
from tests.support.clock import NOON, FakeClock

from backfilld.engine.backfills.run_state import RunState


@given(
    mark=st.integers(0, 5),
    moves=st.lists(st.one_of(st.tuples(st.just("read"), st.integers(1, 4)), st.integers(0, 30)), max_size=60),
)
def test_no_position_below_the_mark_is_ever_unfinished(mark: int, moves: list):
    account = an_account(FakeClock(), mark=mark)
    outstanding: set[int] = set()
    marks = []
    for move in moves:
        if isinstance(move, tuple):  # a page, which may skip positions that have an outcome already
            for position in range(account.next_position, account.next_position + 2 * move[1], 2):
                account.read(position)
                outstanding.add(position)
            account.next_position = max(outstanding) + 1
        elif outstanding:
            ended = sorted(outstanding)[move % len(outstanding)]
            account.batched(ended)
            outstanding.remove(ended)
        marks.append(account.low_water_mark())

        assert marks[-1] == min(outstanding, default=account.next_position)
    assert sorted(marks) == marks


def test_the_mark_begins_where_the_last_owner_left_it():
    assert 17 == an_account(FakeClock(), mark=17).low_water_mark()


def test_a_retry_that_ends_moves_no_mark():
    account = an_account(FakeClock(), mark=0)
    account.read(3)
    account.next_position = 4
    account.batched(1)

    assert 3 == account.low_water_mark()


def test_there_is_room_until_the_bound_and_again_after_a_commit():
    account = an_account(FakeClock(), most=3)
    seen = []
    for _ in range(3):
        seen.append(account.has_room)
        account.ended(0, finally_=True)
    seen.append(account.has_room)
    account.written(1)
    seen.append(account.has_room)

    assert [True, True, True, False, True] == seen


@pytest.mark.parametrize(("ended_meanwhile", "next_from"), [(0, 90), (8, 90), (20, 80), (24, 76), (40, 60), (80, 50)])
def test_a_commit_begins_early_enough_for_what_ended_during_the_last_ones(ended_meanwhile: int, next_from: int):
    account = an_account(FakeClock(), most=100)
    for _ in range(5):
        commit(account, 10, ended_meanwhile=ended_meanwhile)

    assert next_from == commits_from(account)


def test_a_commit_that_left_no_room_is_followed_by_one_that_leaves_half_as_much_again():
    account = an_account(FakeClock(), most=100)
    for _ in range(5):
        commit(account, 10, ended_meanwhile=0)
    seen = [commits_from(account)]
    for _ in range(3):
        commit(account, 95, ended_meanwhile=5)
        seen.append(commits_from(account))

    assert [90, 85, 78, 67] == seen


def commit(account: RunState, entries: int, *, ended_meanwhile: int) -> None:
    for position in range(entries + ended_meanwhile - account.unrecorded):
        account.ended(position, finally_=True)
    account.written(entries)


def commits_from(account: RunState) -> int:
    """How many must be unrecorded for a commit to be wanted."""
    unrecorded, account.unrecorded = account.unrecorded, 0
    while not account.wants_commit:
        account.unrecorded += 1
    found, account.unrecorded = account.unrecorded, unrecorded
    return found


def test_the_earliest_retry_is_remembered():
    account = an_account(FakeClock())
    for minutes in (5, 2, 9):
        account.note_retry(NOON.replace(minute=minutes))

    assert NOON.replace(minute=2) == account.next_retry_at


async def test_the_pace_counts_outcomes_and_forgets_slowly():
    clock = FakeClock()
    account = an_account(clock)
    for _ in range(200):
        await clock.advance(1)
        for _ in range(10):
            account.ended(0, finally_=True)
        account.ended(0, finally_=False)
        account.throughput()
    steady = account.throughput()
    await clock.advance(20)
    halved = account.throughput()

    assert 9.9 < steady < 10.1
    assert 4.9 < halved < 5.1


async def test_who_reads_ahead_knows_the_pace_before_the_first_second_is_over():
    clock = FakeClock()
    account = an_account(clock)
    await clock.advance(0.01)
    paces = []
    for _ in range(20):
        paces.append(account.pace())
        account.ended(0, finally_=True)
    paces.append(account.pace())

    assert {0.0} == set(paces[:-1])
    assert 1_900 < paces[-1] < 2_100
    assert 0.0 == account.throughput()


def test_two_looks_at_once_are_no_division_by_zero():
    account = an_account(FakeClock())
    account.ended(0, finally_=True)

    assert 0.0 == account.throughput() == account.throughput()


def test_what_has_ended_is_taken_until_it_is_recorded():
    account = an_account(FakeClock())
    account.ended(8, finally_=False)

    assert {8} == account.taken
