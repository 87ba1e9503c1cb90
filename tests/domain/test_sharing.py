"""With whom a backfill shares what it waits for, as sentences name them."""

from dataclasses import replace

import pytest

from backfilld.domain.backfills.owner.sharing import Neighbour, Sharing

ME = Neighbour("mine", 2, "https://crm:443", "crm", "autotask")


def known(*others: Neighbour, live: int = 0, one: Neighbour = ME) -> dict[str, str | None]:
    return Sharing(90, 90, one, others, live).known()


def like_me(name: str, **changes: object) -> Neighbour:
    return replace(ME, name=name, **changes)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], None),
        (["b"], "“b”"),
        (["b", "a"], "“a” and “b”"),
        (["c", "b", "a"], "“a”, “b” and “c”"),
        (["d", "c", "b", "a"], "“a”, “b”, “c” and 1 other"),
        (["e", "d", "c", "b", "a"], "“a”, “b”, “c” and 2 others"),
    ],
)
@pytest.mark.parametrize("what", ["target", "budget", "source"])
def test_three_are_named_and_the_others_counted(what: str, names: list[str], told: str | None):
    assert told == known(*map(like_me, names))[f"others_at_{what}"]


@pytest.mark.parametrize(
    ("other", "shares"),
    [
        (like_me("x", target="https://erp:443"), {"budget", "source"}),  # a budget may have several origins
        (like_me("x", budget="erp"), {"target", "source"}),
        (like_me("x", connection="halo"), {"target", "budget"}),
        (like_me("x", target="https://erp:443", budget=None, connection=None), set()),
    ],
)
def test_who_shares_one_thing_need_not_share_another(other: Neighbour, shares: set[str]):
    said = known(other)

    assert shares == {what for what in ("target", "budget", "source") if said[f"others_at_{what}"]}


def test_who_has_no_budget_shares_none():
    none = replace(ME, budget=None, connection=None)
    said = known(replace(none, name="x"), one=none)

    assert (None, None) == (said["others_at_budget"], said["others_at_source"])


def test_the_places_are_told_by_who_has_most_of_them():
    others = [like_me("Migrate time entries", in_flight=10), like_me("idle", in_flight=0), like_me("b", in_flight=5)]

    assert "“Migrate time entries” 10, “b” 5, “mine” 2" == known(*others)["holders"]


def test_more_than_three_who_have_places_are_counted_and_so_are_attempts_outside_of_backfills():
    others = [like_me(name, in_flight=n) for n, name in enumerate("abcde", 3)]

    assert "“e” 7, “d” 6, “c” 5, 3 others 9, attempts outside of backfills 4" == known(*others, live=4)["holders"]


def test_where_nothing_is_in_flight_nobody_has_places():
    assert None is known(one=replace(ME, in_flight=0))["holders"]
