"""Why nothing is starting: one text for each reason, in one place, with times that people can read."""

import ast
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import backfilld
from backfilld.domain.backfills.holding import ENTRIES, NEWS_FOR, Reason, because, closed, group_of, onwards
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.sentences import Part, placeholders, told_time
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.weekly import parse_windows

R, S = ReasonCode, Status
NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)  # a Monday, 07:00 in New York
FACTS = {
    "who": "ops", "why": "a reason", "to_run": 1234, "left_out": 7, "days": 400, "failed": 3, "used": 2, "cap": 2,
    "target": "crm:443", "problem": "connection refused", "outcomes": 7, "workflow": "notify", "begun": 4,
    "items": 12, "retrying": 4, "sample": 12, "succeeded": 11, "places": 90, "in_flight": 3, "disabled_at": NOON,
    "reserved": 1, "left": 1, "needs": 2, "more": 3,
    "holders": "“a” 2", "of": 200, "limit": "50 %", "common": "http_422", "common_count": 61,
    "queue": "enrich", "runs": 3, "disabled_by": "ops", "disabled_why": "a wrong address", "engine": "main",
    "brake": "crm_lag", "value": "14.2", "release": "5", "every": "5",
    "looks": "three looks", "side": "above", "now": "7", "how": "as it was deleted",
}  # fmt: skip
TEXTS = [
    (code, case, text)
    for code, entry in ENTRIES.items()
    for case, text in ({"": entry.text} if isinstance(entry.text, str) else entry.text).items()
]


def of(code: ReasonCode, case: str, **changes: object) -> Reason:
    facts = FACTS | changes | ({"case": case} if case else {})
    return because(code, since=NOON, until=NOON + timedelta(hours=15), **facts)


def calendar(**days: list[tuple[str, str]]) -> Calendar:
    written = {day: [{"run_start_time": a, "run_end_time": b} for a, b in spans] for day, spans in days.items()}
    windows, _, _ = parse_windows(written, "")
    return Calendar(windows, NEW_YORK)


def never() -> Calendar:
    """Every Monday that is in sight is excluded."""
    mondays = frozenset((NOON + timedelta(weeks=week)).date() for week in range(60))
    return Calendar(calendar(monday=[("08:00", "09:00")]).windows, NEW_YORK, mondays)


def test_every_code_has_its_text_and_no_two_of_them_share_one():
    texts = [text for _, _, text in TEXTS]

    assert set(ReasonCode) == set(ENTRIES)
    assert len(texts) == len(set(texts))


def test_no_other_module_puts_a_reason_together():
    """Only the row that was read, and this one place, make one."""
    source = Path(backfilld.__file__).parent
    makers = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "Reason(" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reason"
    }

    assert {"holding.py", "rows.py"} == {maker.rpartition("/")[2] for maker in makers}


@pytest.mark.parametrize(("code", "case", "text"), TEXTS)
def test_a_text_is_a_sentence_that_people_can_read(code: ReasonCode, case: str, text: str):
    told = of(code, case).told(NEW_YORK, NOON)

    assert re.fullmatch(r"[A-Z0-9].*\.", told)
    assert not re.search(r"\dT\d|[{}\[\]]|None|\+00:00", told)
    assert placeholders(text) <= FACTS.keys() | {"since", "until"}


@pytest.mark.parametrize(("code", "case", "text"), TEXTS)
def test_what_is_not_known_is_left_out_only_where_the_text_says_so(code: ReasonCode, case: str, text: str):
    required = placeholders(re.sub(r"\[.*?\]", "", text)) - {"since"}
    needs_until = "until" in required
    facts = {name: FACTS[name] for name in required - {"until"}} | ({"case": case} if case else {})
    told = because(code, since=NOON, until=NOON if needs_until else None, **facts).message

    assert not re.search(r"[{}\[\]]|None|“”", told)


@pytest.mark.parametrize(("code", "case", "text"), TEXTS)
def test_the_values_of_a_text_are_typed_and_survive_being_kept(code: ReasonCode, case: str, text: str):
    reason = of(code, case, disabled_at=None)
    kept = Reason(code, "an old text", reason.since, reason.until, json.loads(json.dumps(dict(reason.facts))))

    assert reason.sentence == kept.sentence
    assert {"time", "in", "ago", "count", "name", "text"} >= {
        part.type for part in kept.sentence if isinstance(part, Part)
    }


def test_a_reason_that_was_kept_without_its_values_says_what_it_said():
    assert "outside" == Reason(R.OUTSIDE_WINDOW, "outside", NOON).told(NEW_YORK, NOON)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (NOON + timedelta(hours=15), "Mon 22:00 New York"),
        (NOON + timedelta(seconds=38), "Mon 07:00:38 New York"),
        (NOON + timedelta(days=8), "Tue 2027-03-09 07:00 New York"),
        (datetime(2027, 11, 7, 5, 30, tzinfo=UTC), "Sun 2027-11-07 01:30 UTC-0400 New York"),
        (datetime(2027, 11, 7, 6, 30, tzinfo=UTC), "Sun 2027-11-07 01:30 UTC-0500 New York"),
    ],
)
def test_a_time_is_told_as_the_clocks_of_its_zone_show_it(at: datetime, told: str):
    assert told == told_time(at, NEW_YORK, NOON)


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+5"])
def test_a_zone_that_is_no_place_keeps_its_name(zone: str):
    assert told_time(NOON, ZoneInfo(zone), NOON).endswith(f" {zone}")


def test_it_is_closed_since_its_window_closed_and_until_the_next_one_opens():
    nights = calendar(sunday=[("22:00", "06:00")], monday=[("22:00", "06:00")])
    reason = closed(nights, NOON, begun_at=NOON - timedelta(days=3))

    assert (R.OUTSIDE_WINDOW, NOON - timedelta(hours=1), NOON + timedelta(hours=15)) == (
        reason.code, reason.since, reason.until,
    )  # fmt: skip
    assert "Closed now. The next opening starts Mon 22:00 New York, in 15 h." == reason.told(NEW_YORK, NOON)
    assert "Closed now. The next opening starts Mon 2027-03-01 22:00 New York." == reason.written(NEW_YORK).message


def test_it_is_closed_since_it_has_begun_if_no_window_was_open_since():
    nights = calendar(sunday=[("22:00", "06:00")])
    begun_at = NOON - timedelta(minutes=5)

    assert begun_at == closed(nights, NOON, begun_at=begun_at).since


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (None, (S.RUNNING, None, NOON)),
        (calendar(monday=[("07:00", "08:00")]), (S.RUNNING, None, NOON)),
        (calendar(monday=[("08:00", "09:00")]), (S.WAITING, R.OUTSIDE_WINDOW, NOON + timedelta(hours=1))),
        (never(), (S.WAITING, R.NEVER_OPENS, NOON + timedelta(days=1))),
    ],
)
def test_it_goes_on_where_its_windows_let_it(windows: Calendar | None, expected: tuple):
    found = onwards(windows, NOON, planned_at=NOON)

    assert expected == (found.status, found.reason and found.reason.code, found.wake_at)


def test_what_is_not_planned_yet_is_planned_first():
    assert (S.PLANNING, None) == (
        onwards(never(), NOON, planned_at=None).status,
        onwards(None, NOON, planned_at=None).reason,
    )


def test_what_lasts_lasts_since_its_earliest_beginning():
    early = because(R.RATE_LIMITED, since=NOON - timedelta(hours=1), target="a")
    other = because(R.SAMPLE_DONE, since=NOON - timedelta(hours=2))

    assert early.since == because(R.RATE_LIMITED, since=NOON, target="a").lasting(None, other, early).since


@pytest.mark.parametrize(
    ("status", "code", "group"),
    [
        (S.PLANNING, None, "working"),
        (S.PLANNING, R.SOURCE_UNREACHABLE, "attention"),
        (S.RUNNING, None, "working"),
        (S.RUNNING, R.RATE_LIMITED, "working"),
        (S.RUNNING, R.TARGET_REFUSES, "attention"),
        (S.RUNNING, R.TARGET_UNREACHABLE, "attention"),
        (S.RUNNING, R.WORKFLOW_DISABLED, "attention"),
        (S.RUNNING, R.STOPPED_BY_OPERATOR, "paused"),
        (S.WAITING, R.OUTSIDE_WINDOW, "waiting"),
        (S.WAITING, R.WAITING_FOR_RETRY, "waiting"),
        (S.WAITING, R.NEVER_OPENS, "attention"),
        (S.PAUSED, R.PAUSED_BY_USER, "paused"),
        (S.PAUSED, R.AWAITING_APPROVAL, "attention"),
        (S.PAUSED, R.SAMPLE_DONE, "attention"),
        (S.PAUSED, R.TOO_MANY_FAILURES, "attention"),
        (S.PAUSED, R.BUDGET_EXHAUSTED, "attention"),
        (S.CANCELLING, R.DRAINING, "working"),
        (S.CANCELLED, None, "ended"),
        (S.COMPLETED, None, "ended"),
        (S.COMPLETED_WITH_FAILURES, None, "ended"),
        (S.FAILED, None, "ended"),
    ],
)
def test_what_needs_a_person_is_a_group_of_its_own(status: Status, code: ReasonCode | None, group: str):
    assert group == group_of(status, code)


def test_what_failed_needs_a_person_for_a_day():
    day = timedelta(days=1)

    assert ("attention", "ended") == (
        group_of(S.FAILED, None, ended_for=day - timedelta(seconds=1)), group_of(S.FAILED, None, ended_for=NEWS_FOR)
    )  # fmt: skip
