"""How far ahead items may be handed out: what a killed daemon may have started is bounded by it."""

from hypothesis import given
from hypothesis import strategies as st
from tests.engine.parts import Target, a_run, an_account, an_item

from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.starting.hand_out import HandOut

SLOTS, MOST = 10, 210


def a_hand_out(**settings: int) -> HandOut:
    return HandOut(**{"handed": 40, "limit": 60, "max_in_flight": SLOTS, "most": MOST} | settings)


def committed(hand_out: HandOut, *, under_way: int = SLOTS) -> int:
    """How many more may be handed out after another commit of the recorder."""
    hand_out.adapt()
    hand_out.committed(hand_out.next_limit(under_way))
    return hand_out.limit - hand_out.handed


def hand_out_all(hand_out: HandOut) -> None:
    """As fast as may be."""
    hand_out.handed = hand_out.limit
    hand_out.refuse()


def test_slow_work_runs_ahead_by_as_many_as_may_be_in_flight():
    hand_out = a_hand_out()
    ahead = []
    for _ in range(20):
        hand_out.handed += 1
        ahead.append(committed(hand_out))

    assert [19, 18, 17, 16, 15, 14, 13, 12, 11] + [SLOTS] * 11 == ahead


def test_a_renewal_runs_ahead_by_as_many_too():
    hand_out = a_hand_out(limit=50)
    hand_out.handed = 50
    hand_out.committed(hand_out.next_limit(SLOTS))

    assert 60 == hand_out.limit


def test_a_renewal_has_room_for_all_that_may_be_in_flight_once_more_may():
    hand_out = a_hand_out(handed=1, limit=2, max_in_flight=1, most=101)
    hand_out.resize(SLOTS)
    hand_out.handed = 2
    hand_out.committed(hand_out.next_limit(2))

    assert 2 + SLOTS == hand_out.limit
    assert 100 + SLOTS == hand_out.most


def test_once_fewer_may_be_in_flight_it_runs_ahead_less():
    hand_out = a_hand_out()
    hand_out.resize(2)
    ahead = []
    for _ in range(20):
        hand_out.handed += 1
        ahead.append(committed(hand_out))

    assert 2 == ahead[-1]
    assert MOST - SLOTS + 2 == hand_out.most


def test_fast_work_runs_ahead_further_and_never_further_than_may_be_unrecorded():
    hand_out = a_hand_out()
    ahead = []
    for _ in range(8):
        hand_out_all(hand_out)
        ahead.append(committed(hand_out))

    assert [20, 40, 80, 160, 200, 200, 200, 200] == ahead


def test_work_that_gets_slower_runs_ahead_less():
    hand_out = a_hand_out()
    for _ in range(6):
        hand_out_all(hand_out)
        committed(hand_out)
    ahead = []
    for _ in range(200):
        hand_out.handed += 1
        ahead.append(committed(hand_out))

    assert SLOTS == ahead[-1]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, MOST), st.booleans()), max_size=30), st.integers(1, 50))
def test_never_more_may_be_started_and_unrecorded_than_the_bound(moves: list, slots: int):
    most = 200 + slots
    hand_out = HandOut(handed=0, limit=min(2 * slots, most), max_in_flight=slots, most=most)
    settled = 0
    for handed, ended, is_commit in moves:
        hand_out.handed = min(hand_out.limit, hand_out.handed + handed, settled + most)
        under_way = max(0, hand_out.handed - settled - ended)
        settled = hand_out.handed - under_way
        if is_commit:
            hand_out.adapt()
        hand_out.committed(hand_out.next_limit(under_way))

        assert hand_out.handed <= hand_out.limit
        assert hand_out.limit - settled <= most


def test_whoever_was_refused_is_told_when_more_may_be_handed_out():
    hand_out = a_hand_out(limit=40)
    told = []
    hand_out.on_move = lambda: told.append(hand_out.limit)
    hand_out.committed(41)
    hand_out.handed = 41
    hand_out.refuse()
    hand_out.committed(41)
    hand_out.committed(51)
    hand_out.committed(61)

    assert [51] == told


def test_a_limit_that_was_committed_never_comes_back(clock):
    hand_out = a_hand_out(limit=60)
    hand_out.committed(50)

    assert 60 == hand_out.limit


async def test_what_comes_back_and_goes_out_again_counts_once(clock):
    account = an_account(clock)
    account.hand_out = HandOut(handed=0, limit=2)
    reader = PlanReader(a_run(Target(clock).gate(), clock), None, account)
    reader._ahead.extend(an_item(n) for n in range(3))
    reader._exhausted = True
    first = await reader.next_planned(5)
    reader.give_back(first)
    found = [await reader.next_planned(5) for _ in range(3)]

    assert [0, 1, None] == [item and item.position for item in found]
    assert (2, True) == (account.hand_out.handed, reader.has_more)
