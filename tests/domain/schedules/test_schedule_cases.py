"""What digdag's own tests say of schedules, and what was measured of it: case by case.

Where a case is marked as a quirk, ours is the proposed answer.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from backfilld.domain.errors import Fault
from backfilld.domain.schedules import FINISHED_AT, Schedule, Slot, parse_schedule, parse_schedule_zone

PAGE = Path(__file__).parents[2] / "cases" / "schedule_cases.json"
CASES: list[dict[str, Any]] = json.loads(PAGE.read_text(encoding="utf-8"))["cases"]


def of_kind(kind: str) -> Any:
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] == kind]
    )


def schedule_of(case: dict[str, Any]) -> Schedule:
    zone = parse_schedule_zone(case["timezone"], "")
    assert not isinstance(zone, Fault)
    schedule, faults = parse_schedule(case["schedule"], "", zone)
    assert [] == faults
    assert schedule is not None
    return schedule


def times(slot: Slot | None) -> tuple[datetime, datetime]:
    return (FINISHED_AT, FINISHED_AT) if slot is None else tuple(slot)  # type: ignore[return-value]  # a pair it is


@of_kind("scheduler_function")
def test_one_question(case: dict[str, Any]) -> None:
    schedule = schedule_of(case)
    ask = {"first": schedule.first, "next": schedule.next, "last": schedule.previous}[case["operation"]]
    session_time, run_time = times(ask(datetime.fromisoformat(case["input"])))
    proposed = case.get("proposed_time")

    assert datetime.fromisoformat(proposed or case["expect_time"]) == session_time
    assert datetime.fromisoformat(proposed or case["expect_run_time"]) == run_time


@of_kind("scheduler_sequence")
def test_slots_in_a_row(case: dict[str, Any]) -> None:
    schedule = schedule_of(case)
    expected = [datetime.fromisoformat(each) for each in case.get("proposed_times", case["expect_times"])]
    slot = schedule.first(datetime.fromisoformat(case["from"]))
    found = [slot.session_time for slot, _ in zip(schedule.since(slot), expected, strict=False)]

    assert expected == found


@of_kind("start_end")
def test_the_edge_of_a_schedule(case: dict[str, Any]) -> None:
    schedule = schedule_of(case | {"schedule": {"daily>": "00:00:00", case["field"]: case["value"]}})
    edge = {"start": schedule.starts_at, "end": schedule.ends_at}[case["field"]]

    assert datetime.fromisoformat(case["expect_instant"]) == edge


@of_kind("valid_schedule")
def test_accepted(case: dict[str, Any]) -> None:
    assert schedule_of(case).first(datetime.fromisoformat("2016-01-01T00:00:00Z")) is not None


@of_kind("invalid_schedule")
def test_refused(case: dict[str, Any]) -> None:
    schedule, faults = parse_schedule(case["schedule"], "/schedule")
    told = " ".join(fault.message for fault in faults)

    assert schedule is None
    assert faults
    assert [] == [word for word in case.get("expect_message_mentions", []) if word not in told]
