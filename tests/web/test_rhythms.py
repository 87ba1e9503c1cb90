"""Schedules in a few words."""

from typing import Any

import pytest

from backfilld.domain.schedules.operators import OPERATORS
from backfilld.web.words.rhythms import in_words

WORDS: list[tuple[dict[str, Any], str]] = [
    ({"hourly>": "30:00"}, "every hour at :30"),
    ({"daily>": "09:00:00"}, "every day at 09:00"),
    ({"daily>": "09:00:30"}, "every day at 09:00:30"),
    ({"weekly>": "Sun,09:00:00"}, "every Sunday at 09:00"),
    ({"weekly>": "7,09:00:00"}, "every Sunday at 09:00"),
    ({"monthly>": "1,09:00:00"}, "on day 1 of each month at 09:00"),
    ({"minutes_interval>": "30", "delay": 60}, "every 30 minutes, 60 s late"),
    ({"minutes_interval>": 1}, "every minute"),
    ({"seconds_interval>": 90}, "every 90 seconds"),
    ({"cron>": "0 7 * * *"}, "every day at 07:00"),
    ({"cron>": "*/15 * * * *"}, "every 15 minutes"),
    ({"cron>": "5 * * * *"}, "every hour at :05"),
    ({"cron>": "0 7 * * 1-5"}, "Monday to Friday at 07:00"),
    ({"cron>": "0 7 * * mon,thu"}, "every Monday and Thursday at 07:00"),
    ({"cron>": "0 7 * * 1,3,5"}, "Mon, Wed, Fri at 07:00"),
    ({"cron>": "0 4 1 * *"}, "on day 1 of each month at 04:00"),
    ({"cron>": "0 4 L * *"}, "cron 0 4 L * *"),
    ({"cron>": "0 4 * 2 1"}, "cron 0 4 * 2 1"),
    ({"cron>": "0 4 1 * *|0 5 2 * *"}, "cron 0 4 1 * *|0 5 2 * *"),
    ({"daily>": "01:00:00", "start": "2027-01-01", "end": "2027-12-31"},
     "every day at 01:00, from 2027-01-01, until 2027-12-31"),
    ({"yearly>": "1"}, "yearly 1"),
    ({}, "a schedule that cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "told"), WORDS)
def test_a_schedule_is_told_in_words(definition: dict[str, Any], told: str) -> None:
    assert told == in_words(definition)


@pytest.mark.parametrize("word", OPERATORS)
def test_every_kind_of_schedule_has_words(word: str) -> None:
    assert word not in in_words({word: OPERATORS[word].example})


@pytest.mark.parametrize("definition", [None, "daily", ["daily>"], {"daily>": None}, {"cron>": 7}, {"weekly>": ""}])
def test_nonsense_breaks_no_page(definition: Any) -> None:
    assert in_words(definition)
