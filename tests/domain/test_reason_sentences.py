"""What people read of each reason: what is so, what becomes of it, and which values stand in both."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.domain.test_explaining import COUNTS
from tests.engine.parts import a_backfill

from backfilld.domain.backfills.estimating.ends import Estimate
from backfilld.domain.backfills.explaining import Standing, explain
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.sentences import Part, plain

R, S = ReasonCode, Status
NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)  # a Monday, 07:00 in New York
SOON = NOON + timedelta(seconds=21)
SIX = NOON - timedelta(hours=1)
BRAKE = {"brake": "crm_lag", "value": "14.2", "limit": "10", "every": "5", "looks": "three looks", "release": "5"}
RETRIES = {"classes": "http_500", "tries_left": 2, "tries": "tries"}
ENDS = Estimate(NOON, NOON + timedelta(hours=44, minutes=43))
WITH_SECRET = {"executor": {"type": "http", "headers": {"Authorization": {"secret": "crm"}}}}
# code, facts of the reason, status, what else is known → what is so, what becomes of it
TABLE: list[tuple[ReasonCode, dict[str, Any], Status, dict[str, Any], str, str]] = [
    (
        R.OUTSIDE_WINDOW, {"until": NOON + timedelta(days=2, hours=15)}, S.WAITING, {},
        "Closed now. The next opening starts Wed 22:00 New York, in 2 d 15 h.",
        "3,640 are left; at the recent rate the end is expected Wed 03:43 New York.",
    ),
    (
        R.NEVER_OPENS, {"case": "excluded", "days": 400}, S.WAITING, {},
        "Its windows never open: every date of the next 400 days that has one is excluded.", "Edit the windows.",
    ),
    (
        R.WAITING_FOR_RETRY, {"until": SOON, "case": "items"}, S.WAITING, RETRIES,
        "Only retries are left: 4, the next in 21 s.",
        "They failed with http_500; after 2 more tries each counts as failed.",
    ),
    (
        R.WAITING_FOR_RETRY, {"until": SOON, "case": "items"}, S.WAITING, RETRIES | {"at_most": "at most"},
        "Only retries are left: 4, the next in 21 s.",
        "They failed with http_500; after at most 2 more tries each counts as failed.",
    ),
    (
        R.WAITING_FOR_RETRY, {"until": SOON, "case": "items"}, S.WAITING, {"classes": "http_500"},
        "Only retries are left: 4, the next in 21 s.",
        "They failed with http_500. After their last try they count as failed.",
    ),
    (
        R.WAITING_FOR_RETRY, {"until": SOON, "case": "chain"}, S.RUNNING, RETRIES | {"tries_left": 1, "tries": "try"},
        "A session waits to be tried again, in 21 s; those behind it wait for its end.",
        "It failed with http_500; after 1 more try it counts as failed.",
    ),
    (
        R.WAITING_FOR_RETRY, {"case": "others"}, S.RUNNING, {},
        "The session before the next one has an attempt that is not finished.",
        "It goes on by itself once that has ended.",
    ),
    (
        R.PAUSED_BY_USER, {"who": "ops", "why": "ledger is being re-indexed"}, S.PAUSED, {},
        "Paused by ops 1 h ago: “ledger is being re-indexed”.",
        "3,640 are left. Nothing starts until somebody resumes it.",
    ),
    (
        R.AWAITING_APPROVAL, {"to_run": 90}, S.PAUSED, {},
        "The plan is frozen: 90 to run. Look at it, then approve.",
        "Nothing has started. What is approved is exactly what runs.",
    ),
    (
        R.AWAITING_APPROVAL, {"to_run": 90}, S.PAUSED, {"settings": {"recheck": True}},
        "The plan is frozen: 90 to run. Look at it, then approve.",
        "Nothing has started. Of what is approved only what still matches then will run, and nothing else.",
    ),
    (
        R.SAMPLE_DONE, {"sample": 12, "succeeded": 11, "failed": 1}, S.PAUSED, {},
        "The sample of 12 is done: 11 succeeded, 1 failed.", "Go on to run the other 3,640.",
    ),
    (
        R.TOO_MANY_FAILURES,
        {"case": "share", "failed": 104, "of": 200, "limit": "50 %", "common": "unknown category ‹…›",
         "common_count": 61},
        S.PAUSED, {},
        "It stopped itself: 104 of the last 200 failed (limit 50 %). Most common: “unknown category ‹…›” (61)."
        " Resuming starts both counts anew.",
        "Look at what failed, then resume. 3,640 are left.",
    ),
    (
        R.TOO_MANY_FAILURES, {"case": "sessions", "failed": 1}, S.PAUSED, {},
        "It stopped itself: 1 failed. Resume goes on with the sessions after them.",
        "Look at what failed, then resume. 3,640 are left.",
    ),
    (
        R.BUDGET_EXHAUSTED,
        {"used": 19_998.5, "cap": 20_000, "reserved": 0, "left": 1.5, "needs": 2, "more": 5_400}, S.PAUSED, {},
        "It stopped itself: 19,998.5 of 20,000 credits are used, 0 reserved, 1.5 left; the next start needs 2."
        " About 5,400 more would finish it.",
        "Raise the cap, then resume. 3,640 are left.",
    ),
    (
        R.TARGET_UNREACHABLE, {"target": "crm.example:443", "problem": "nobody listens", "until": SOON}, S.RUNNING, {},
        "The target crm.example:443 cannot be reached since Mon 06:00 New York: nobody listens.",
        "Asked again in 21 s; no item is charged a try; goes on by itself.",
    ),
    (
        R.TARGET_REFUSES, {"problem": "HTTP 401, invalid token", "until": SOON}, S.RUNNING,
        {"definition": WITH_SECRET},
        "The target refuses us since Mon 06:00 New York: HTTP 401, invalid token.",
        "Mend secret “crm”; asked again in 21 s. Used by w.",
    ),
    (
        R.TARGET_REFUSES, {"problem": "HTTP 401, invalid token"}, S.RUNNING, {},
        "The target refuses us since Mon 06:00 New York: HTTP 401, invalid token.",
        "Mend its address or headers; it is being asked right now. Used by w.",
    ),
    (
        R.SOURCE_UNREACHABLE, {"problem": "no route to host", "until": SOON}, S.RUNNING, {},
        "The records cannot be read since Mon 06:00 New York: no route to host.",
        "Asked again in 21 s; nothing fails, and it goes on by itself.",
    ),
    (
        R.SOURCE_REFUSED, {"problem": "401, the secret of api@example.com", "until": SOON}, S.RUNNING, {},
        "The source refuses us since Mon 06:00 New York: 401, the secret of api@example.com.",
        "Nothing fails; asked again in 21 s, or at once after SIGHUP. Mend its credentials.",
    ),
    (
        R.SOURCE_BUDGET, {"problem": "psa: 5,000 of 5,000 requests of this hour are used", "until": SOON}, S.RUNNING,
        {"others_at_source": "2 others"},
        "The source may not be asked more now: psa: 5,000 of 5,000 requests of this hour are used; it goes on"
        " Mon 07:00:21 New York.",
        "It goes on by itself; used by 2 others, too. 3,640 are left.",
    ),
    (
        R.ENGINE_UNREACHABLE, {"target": "main", "until": SOON}, S.RUNNING, {},
        "The engine main cannot be reached since Mon 06:00 New York; what runs there (3) goes on and is found again.",
        "Asked again in 21 s; no item is charged a try; goes on by itself.",
    ),
    (
        R.NO_WORKERS, {"queue": "enrich", "engine": "main"}, S.RUNNING, {},
        "Nobody works on the queue enrich of the engine main since Mon 06:00 New York; waiting there: 3.",
        "Start a worker; it goes on by itself, and nothing is lost.",
    ),
    (
        R.RATE_LIMITED, {"until": SOON}, S.RUNNING, {"others_at_target": "“Migrate” and 1 other"},
        "The target asked us to slow down; the next start is in 21 s.",
        "Holds for every backfill that uses it: also “Migrate” and 1 other.",
    ),
    (
        R.WAITING_FOR_CAPACITY, {"case": "places", "places": 90}, S.RUNNING, {"holders": "“Migrate” 80, “me” 10"},
        "All 90 places of this daemon are taken, by “Migrate” 80, “me” 10.",
        "It goes on by itself as soon as there is room.",
    ),
    (
        R.WAITING_FOR_CAPACITY, {"case": "recorder", "problem": "disk full"}, S.RUNNING, {},
        "The database takes no outcomes: disk full.", "It goes on by itself as soon as there is room.",
    ),
    (
        R.DRAINING, {"case": "daemon"}, S.RUNNING, {},
        "The daemon is stopping; 3 in flight may finish.", "Nothing more starts here.",
    ),
    (
        R.WORKFLOW_DISABLED, {"workflow": "w"}, S.RUNNING,
        {"disabled_at": SIX, "disabled_by": "ops", "disabled_why": "a wrong address"},
        "The workflow w is disabled since Mon 06:00 New York by ops: “a wrong address”.",
        "Enable it; then it goes on by itself.",
    ),
    (
        R.BRAKED, {"case": "above"} | BRAKE, S.RUNNING, {},
        "Braked by crm_lag since Mon 06:00 New York: 14.2 is more than 10.",
        "Looked at every 5 s; goes on after three looks at or below 5.",
    ),
    (
        R.BRAKED_CRITICALLY, BRAKE | {"side": "above", "value": "130", "limit": "120"}, S.RUNNING, {},
        "The brake crm_lag was at 130 at Mon 06:00 New York (critical above 120).",
        "Nothing that it applies to starts until somebody resets it.",
    ),
    (
        R.STOPPED_BY_OPERATOR, {"who": "admin", "why": "incident 4711"}, S.RUNNING, {},
        "Everything was stopped by admin 1 h ago: “incident 4711”.", "An admin starts it again with Start all.",
    ),
    (
        R.RECOVERING, {"case": "first", "begun": 4, "items": 12}, S.RUNNING, {"estimate": None},
        "Repeating what a killed daemon may have started: 4 of at most 12; then at full pace again.",
        "3 of 5 in flight.",
    ),
]  # fmt: skip
FIELDS = ("settings", "definition", "estimate")


def standing(code: ReasonCode, facts: dict[str, Any], status: Status, known: dict[str, Any]) -> Standing:
    backfill = a_backfill(status=status, definition=known.get("definition", {}), **known.get("settings", {}))
    named = {name: value for name, value in known.items() if name not in FIELDS}
    estimate = known.get("estimate", ENDS) if code is R.OUTSIDE_WINDOW else None
    counts = replace(COUNTS, in_flight=3, retrying=4, pending=3_633)
    return Standing(backfill, counts, [because(code, since=SIX, **facts)], NOON, estimate=estimate, known=named)


@pytest.mark.parametrize(
    ("code", "facts", "status", "known", "first", "then"), TABLE, ids=[f"{row[0]}-{n}" for n, row in enumerate(TABLE)]
)
def test_what_is_so_and_what_becomes_of_it(code, facts, status, known, first: str, then: str):
    sentences = explain(standing(code, facts, status, known)).sentences

    assert [first, then] == [plain(sentence, NEW_YORK, NOON) for sentence in sentences[:2]]


def test_every_reason_is_in_the_table():
    assert set(ReasonCode) == {row[0] for row in TABLE}


def test_each_value_of_a_sentence_is_a_part_with_its_type():
    """So that whoever shows it writes numbers and times as they write others."""
    untyped = [
        (row[0], part)
        for row in TABLE
        for sentence in explain(standing(*row[:4])).sentences[:2]
        for part in sentence
        if isinstance(part, str) and any(letter.isdigit() for letter in part)
    ]

    assert [] == untyped
    assert Part("count", 2) in explain(standing(*TABLE[2][:4])).sentences[1]
