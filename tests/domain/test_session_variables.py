"""What a task is told about its slot."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from backfilld.domain.schedules import Schedule, parse_schedule
from backfilld.domain.sessions.variables import Run, params_of_slot, session_variables

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
SLOT = datetime(2016, 1, 30, 8, tzinfo=UTC)


def daily(**options: str) -> Schedule:
    schedule, faults = parse_schedule({"daily>": "07:00:00", **options}, "", LOS_ANGELES)
    assert schedule is not None, faults
    return schedule


def run(schedule: Schedule | None, last_executed: datetime | None = None, task: str | None = None) -> dict[str, str]:
    uuid = UUID("00000000-0000-4000-8000-000000000001")
    return session_variables(
        Run(1, "w", 2, uuid, SLOT, 3, "again", "America/Los_Angeles", LOS_ANGELES, schedule, last_executed, task)
    )


def test_a_slot_is_told_in_all_its_forms():
    assert {
        "session_time": "2016-01-30T00:00:00-08:00",
        "session_date": "2016-01-30",
        "session_date_compact": "20160130",
        "session_local_time": "2016-01-30 00:00:00",
        "session_tz_offset": "-0800",
        "session_unixtime": "1454140800",
        "retry_attempt_name": "again",
        "attempt_id": "3",
        "task_name": "+w",
    }.items() <= run(None).items()


def test_a_task_is_told_its_whole_name():
    assert "+w+report" == run(None, task="report")["task_name"]


def test_without_a_schedule_nothing_is_said_of_other_slots():
    assert not [name for name in run(None) if name.startswith(("last_", "next_"))]


def test_the_slots_around_it_are_told_whether_or_not_they_ran():
    variables = run(daily())

    assert "2016-01-29" == variables["last_session_date"]
    assert "20160131" == variables["next_session_date_compact"]
    assert "" == variables["last_executed_session_time"] == variables["last_executed_session_unixtime"]
    assert "-0800" == variables["last_executed_session_tz_offset"]


def test_after_the_end_comes_the_end_of_time():
    assert "9999-01-01" == run(daily(end="2016-01-30"))["next_session_date"]


def test_params_name_the_last_executed_slot_only_if_there_is_one():
    first = params_of_slot(daily(), SLOT, None)
    second = params_of_slot(daily(), SLOT, datetime(2016, 1, 28, 8, tzinfo=UTC))

    assert {"last_session_time", "next_session_time"} == set(first)
    assert "2016-01-28T00:00:00-08:00" == second["last_executed_session_time"]
