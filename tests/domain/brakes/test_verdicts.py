"""From looks to a verdict: as tables, with a value one below, at and one above each limit."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.domain.brakes.reasons import held_by, latched, told_looks, told_number
from backfilld.domain.brakes.settings import BrakeSettings, Rules, Scope, Start, Thresholds
from backfilld.domain.brakes.verdicts import Failed, Look, Seen, Verdict, after

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
ABOVE = Thresholds(above=True, hold=10, release=5, critical=120)
BELOW = Thresholds(above=False, hold=0.98, release=0.99, critical=0.5)
LOST = Failed("no answer")


def looks(*seen: float | bool | None) -> list[Look]:
    """Numbers are values, booleans plain words, None a look that failed."""
    return [LOST if one is None else Seen(bad=one) if isinstance(one, bool) else Seen(float(one)) for one in seen]


def taken(rules: Rules, *seen: float | bool | None) -> list[Verdict]:
    """The verdict after each look."""
    verdicts = [Verdict()]
    for number, look in enumerate(looks(*seen)):
        verdicts.append(after(verdicts[-1], look, rules, NOON + timedelta(seconds=number)))
    return verdicts[1:]


def holding(rules: Rules, *seen: float | bool | None) -> str:
    """`-` or `H` after each look."""
    return "".join("H" if verdict.holds else "-" for verdict in taken(rules, *seen))


@pytest.mark.parametrize(
    ("expected", "rules", "seen"),
    [
        ("---", {}, [9, 10, 9.9]),
        ("-H", {}, [10, 10.1]),
        # the way back: below the limit is not enough, and one look in between begins the row anew
        ("HHHH", {}, [11, 5, 5, 5.1]),
        ("HHH-", {}, [11, 5, 5, 5]),
        ("HHHHHH-", {}, [11, 5, 5, 6, 5, 5, 5]),
        ("HHHHHH-", {}, [11, 5, 5, 11, 5, 5, 5]),
        ("HH--", {"release_after": 2}, [11, 5, 5, 10]),
        ("H-H-H-", {"release_after": 1}, [11, 1, 11, 1, 11, 1]),
        # bad ones in a row
        ("--H", {"hold_after": 3}, [11, 11, 11]),
        ("-----H", {"hold_after": 3}, [11, 11, 10, 11, 11, 11]),
        ("-H", {"hold_after": 3}, [11, 121]),
        ("-", {"hold_after": 3}, [120]),
        # smaller is worse
        ("--", {"thresholds": BELOW}, [0.98, 0.981]),
        ("H", {"thresholds": BELOW}, [0.979]),
        ("HHHHH-", {"thresholds": BELOW}, [0.9, 0.99, 0.989, 0.99, 0.99, 0.99]),
        # plain words
        ("-HHH-", {"thresholds": None}, [False, True, False, False, False]),
        # what cannot be seen
        ("--H", {}, [None, None, None]),
        ("---H", {}, [1, None, None, None]),
        ("-----", {}, [None, None, 1, None, None]),
        ("-----", {"on_error": "go_on"}, [None, None, None, None, None]),
        ("HHH-", {"on_error": "go_on"}, [11, None, None, None]),
        ("HHHHHH-", {}, [11, None, None, None, 1, 1, 1]),
        ("--HHH-", {}, [None, None, None, 9, 9, 9]),
        ("--HHHH", {}, [None, None, None, 9, 9, 11]),
    ],
)  # fmt: skip
def test_looks_become_a_verdict(expected: str, rules: dict, seen: list):
    assert expected == holding(Rules(**{"thresholds": ABOVE} | rules), *seen)


@pytest.mark.parametrize(("value", "critical"), [(119, False), (120, False), (120.1, True)])
def test_critical_is_what_is_beyond_its_limit(value: float, critical: bool):
    assert critical == taken(Rules(thresholds=ABOVE), value)[0].is_critical


def test_an_episode_knows_since_when_and_its_worst_value():
    verdicts = taken(Rules(thresholds=ABOVE), 1, 12, 40, 30, 5, 5, 5, 11)

    assert NOON + timedelta(seconds=1) == verdicts[4].holds_since
    assert 40 == verdicts[4].worst == verdicts[6].worst
    assert (NOON + timedelta(seconds=7), 11) == (verdicts[7].holds_since, verdicts[7].worst)


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 200))),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(["hold", "go_on"]),
)
def test_a_brake_holds_after_enough_bad_looks_and_never_lets_go_on_a_bad_one(seen, hold_after, release_after, on_error):
    rules = Rules(thresholds=ABOVE, hold_after=hold_after, release_after=release_after, on_error=on_error)
    verdict = Verdict()
    for look in looks(*seen):
        before, verdict = verdict, after(verdict, look, rules, NOON)
        is_bad = isinstance(look, Seen) and look.value is not None and look.value > 10

        assert verdict.holds == (verdict.holds_since is not None)
        assert verdict.holds or not (is_bad and before.holds)
        assert verdict.holds or verdict.bad_in_a_row < hold_after
        assert not (
            before.holds and isinstance(look, Seen) and not verdict.holds and verdict.good_in_a_row < release_after
        )


@pytest.mark.parametrize(
    ("above", "hold", "release"), [(True, 10, 8), (True, 0, 0), (True, -10, -12), (False, 0.8, 1.0), (False, -8, -6)]
)
def test_the_usual_way_back_never_is_beyond_the_limit(above: bool, hold: float, release: float):
    made = Thresholds.made(above=above, hold=hold, release=None, critical=None)

    assert release == pytest.approx(made.release)
    assert made.is_good(made.release)
    assert not made.is_bad(made.release)


START = Start("sales/enrich", "https://crm.example.com")


@pytest.mark.parametrize(
    ("expected", "scope", "start"),
    [
        (True, Scope(), START),
        (False, Scope(), Start("sales/enrich", "https://crm.example.com", live=True)),
        (True, Scope(live=True), Start("sales/enrich", "https://crm.example.com", live=True)),
        (True, Scope(live=True), START),
        (True, Scope(frozenset({"sales/enrich"})), START),
        (True, Scope(frozenset({"sales/*"})), START),
        (False, Scope(frozenset({"default/enrich", "sale/*"})), START),
        (True, Scope(None, frozenset({"https://crm.example.com"})), START),
        (False, Scope(None, frozenset({"http://crm.example.com"})), START),
        (False, Scope(frozenset({"sales/enrich"}), frozenset({"https://other"})), START),
    ],
)
def test_a_brake_holds_what_it_applies_to(expected: bool, scope: Scope, start: Start):
    assert expected is scope.covers(start)


def of(thresholds: Thresholds | None) -> BrakeSettings:
    return BrakeSettings("crm_lag", "sql", "a database", Rules(thresholds=thresholds))


@pytest.mark.parametrize(
    ("expected", "thresholds", "seen"),
    [
        ("Braked by crm_lag since Mon 12:00 UTC: 14.2 is more than 10.", ABOVE, [14.2]),
        ("Braked by crm_lag since Mon 12:00 UTC: 14.2 is more than 10 (now 7).", ABOVE, [14.2, 7]),
        ("Braked by crm_lag since Mon 12:00 UTC: 0.9 is less than 0.98.", BELOW, [0.9]),
        ("Braked by crm_lag since Mon 12:00 UTC.",
         None, [True]),
        ("Braked by crm_lag since Mon 12:00:02 UTC, because it cannot be seen: no answer.", ABOVE, [None, None, None]),
    ],
)  # fmt: skip
def test_it_says_why(expected: str, thresholds: Thresholds | None, seen: list):
    settings = of(thresholds)
    reason = held_by(settings, taken(settings.rules, *seen)[-1])

    assert reason is not None
    assert expected == reason.told(UTC, NOON)


def test_a_latch_says_what_it_was():
    told = latched("crm_lag", NOON, 130, ABOVE).told(UTC, NOON)

    assert "The brake crm_lag was at 130 at Mon 12:00 UTC (critical above 120)." == told


@pytest.mark.parametrize(("expected", "value"), [("14.2", 14.2), ("1234567", 1234567.4), ("0.98", 0.98), ("0", 0.0)])
def test_numbers_are_told_as_people_compare_them(expected: str, value: float):
    assert expected == told_number(value)


def test_looks_are_told_in_words():
    assert ["one look", "three looks", "12 looks"] == [told_looks(number) for number in (1, 3, 12)]
