"""When a message is tried again, and when nobody tries any more."""

from datetime import timedelta

import pytest

from backfilld.domain.notifications.ladder import MOST_TRIES, PAUSES, Next, Tried, after

UNSURE = Tried(None, "no answer within 15 s", was_sent=True)
UNREACHABLE = Tried(None, "no connection")


def then(tried: Tried, tries: int = 1, *, is_chat: bool = False, was_unsure: bool = False) -> Next:
    return after(tried, tries=tries, is_chat=is_chat, was_unsure=was_unsure, draw=lambda: 0.5)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_done(status: int):
    assert "delivered" == then(Tried(status)).kind


@pytest.mark.parametrize(
    "tried", [Tried(300), Tried(302), Tried(400), Tried(401), Tried(404), Tried(500), UNSURE, UNREACHABLE]
)
def test_anything_else_is_tried_for_a_day(tried: Tried):
    steps = [then(tried, tries) for tries in range(1, MOST_TRIES + 1)]

    assert list(PAUSES) == [step.pause for step in steps[:-1]]
    assert ["again"] * 7 + ["dead"] == [step.kind for step in steps]
    assert timedelta(hours=27) < sum(PAUSES, timedelta()) < timedelta(hours=28)


def test_retry_after_makes_it_longer_and_never_shorter():
    asked = Tried(429, retry_after=timedelta(hours=1))

    assert timedelta(hours=1) == then(asked).pause
    assert PAUSES[3] == then(asked, 4).pause
    assert timedelta(days=1) == then(Tried(503, retry_after=timedelta(days=9))).pause


def test_410_ends_it_for_the_endpoint():
    assert "gone" == then(Tried(410)).kind


def test_a_chat_is_told_once_more_of_what_may_have_arrived():
    first = then(UNSURE, is_chat=True)
    second = then(UNSURE, 2, is_chat=True, was_unsure=first.was_unsure)

    assert ("again", True, "dead") == (first.kind, first.was_unsure, second.kind)
    assert ("again", False) == (then(UNREACHABLE, is_chat=True).kind, then(UNREACHABLE, is_chat=True).was_unsure)


def test_the_pauses_differ_a_little_so_that_not_all_come_at_once():
    pauses = {after(Tried(500), tries=1, is_chat=False, was_unsure=False, draw=lambda at=at: at).pause for at in (0, 1)}

    assert {timedelta(seconds=4.5), timedelta(seconds=5.5)} == pauses
