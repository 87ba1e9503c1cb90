"""What is told: what happened, why, numbers, what to do, a link; in the words of each kind of endpoint."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from backfilld.domain.notifications.messages import EVENTS, Notice, body_of, message_of, title_of
from backfilld.domain.notifications.messages import test_message as a_test

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
ID = "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11"
FACTS = {
    "status": "paused", "reason_code": "too_many_failures", "reason_message": "It stopped itself: 104 of 200 failed.",
    "reason_since": "2027-03-01T12:00:00Z", "reason_until": None, "planned": 1500, "succeeded": 96, "failed": 104,
}  # fmt: skip


def notice(event: str = "stopped", **changes: Any) -> Notice:
    facts = FACTS | changes.pop("facts", {})
    return Notice(17, event, NOON, facts, ID, "Sync <b> & more", "default/sync", **changes)


def test_a_standard_message_has_what_the_contract_says():
    message = message_of(notice(), "https://b.example/")

    assert ("backfill.stopped", "2027-03-01T12:00:00Z") == (message["type"], message["timestamp"])
    assert {
        "id": ID, "name": "Sync <b> & more", "workflow": "default/sync", "status": "paused",
        "status_reason": {"code": "too_many_failures", "message": "It stopped itself: 104 of 200 failed.",
                          "since": "2027-03-01T12:00:00Z", "until": None},
        "counters": {"planned": 1500, "succeeded": 96, "failed": 104, "skipped": 0, "cancelled": 0},
        "url": f"https://b.example/backfills/{ID}",
    } == message["data"]["backfill"]  # fmt: skip
    assert ("system", 17) == (message["data"]["by"], message["data"]["sequence"])
    assert [
        "It stopped itself: 104 of 200 failed.", "Of 1,500: 96 succeeded, 104 failed.",
        "Mend what it says, then resume.",
    ] == message["data"]["explain"]  # fmt: skip
    assert message == orjson.loads(body_of(message, "standard"))


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_a_title_and_says_something_in_every_format(event: str):
    message = message_of(notice(event), "")

    assert title_of(message).startswith("Sync <b> & more ")
    assert message["type"] not in title_of(message)
    for format in ("standard", "slack", "teams"):
        assert orjson.loads(body_of(message, format))


def test_slack_gets_one_section_with_everything_escaped():
    body = orjson.loads(body_of(message_of(notice(), "https://b.example"), "slack"))

    assert "Sync &lt;b&gt; &amp; more stopped itself" == body["text"]
    assert [("section", "mrkdwn")] == [(block["type"], block["text"]["type"]) for block in body["blocks"]]
    assert body["blocks"][0]["text"]["text"].startswith(
        f"*<https://b.example/backfills/{ID}|Sync &lt;b&gt; &amp; more stopped itself>*\nIt stopped itself"
    )


def test_teams_gets_an_adaptive_card_with_the_counters_and_a_link():
    body = orjson.loads(body_of(message_of(notice(), "https://b.example"), "teams"))
    attachment = body["attachments"][0]
    card = attachment["content"]

    assert ("message", "application/vnd.microsoft.card.adaptive") == (body["type"], attachment["contentType"])
    assert ("AdaptiveCard", "1.4") == (card["type"], card["version"])
    assert ["TextBlock"] * 4 + ["FactSet"] == [block["type"] for block in card["body"]]
    assert [("Action.OpenUrl", f"https://b.example/backfills/{ID}")] == [
        (action["type"], action["url"]) for action in card["actions"]
    ]


@pytest.mark.parametrize("format", ["slack", "teams"])
def test_what_may_be_there_already_is_marked_in_a_chat(format):
    message = message_of(notice(), "")

    assert b"(again)" in body_of(message, format, again=True)
    assert b"(again)" not in body_of(message, format)
    assert body_of(message, "standard") == body_of(message, "standard", again=True)


def test_a_brake_stops_many_and_is_told_once():
    facts = {"reason_code": "braked_critically", "reason_message": "Braked by lag.", "value": 130.0}
    message = message_of(Notice(1, "stopped", NOON, facts, brake="lag"), "https://b.example")

    assert {"name": "lag", "value": 130.0} == message["data"]["brake"]
    assert "The brake lag stopped everything that it applies to" == title_of(message)
    assert ["Braked by lag.", "Reset it once it is well."] == message["data"]["explain"]
    for format in ("standard", "slack", "teams"):
        assert orjson.loads(body_of(message, format))


def test_a_test_says_so():
    assert "backfilld is reached: this is a test" == title_of(a_test("oncall", NOON))
