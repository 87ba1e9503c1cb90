"""The Python package tdworkflow, as it comes, against a daemon: every call that it has."""

import inspect
import re
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import tdworkflow
from tdworkflow.exceptions import HttpError
from tdworkflow.schedule import Schedule
from tests.support.daemon import DaemonProcess

VERBS = {"get", "post", "put", "delete", "http"}  # what its calls are made of
SECONDS_BETWEEN_LOOKS = 0.05


@pytest.fixture
def td(daemon: DaemonProcess) -> Iterator[tdworkflow.client.Client]:
    endpoint = daemon.url.removeprefix("http://")
    client = tdworkflow.client.Client(endpoint=endpoint, scheme="http", apikey=daemon.api_key)
    yield client
    client.http.close()


@pytest.fixture
def pushed(td: tdworkflow.client.Client, project: Path) -> tdworkflow.project.Project:
    return td.create_project(project.name, str(project), revision="r1")


@pytest.fixture
def schedule(td: tdworkflow.client.Client, pushed: tdworkflow.project.Project) -> Schedule:
    (found,) = td.project_schedules(pushed)
    return found


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def test_every_call_of_the_client_is_tried_here():
    source = Path(__file__).read_text()
    calls = {name for name, _ in inspect.getmembers(tdworkflow.client.Client, inspect.isfunction) if name[0] != "_"}

    assert {"backfill_schedule", "start_attempt", "create_project"} < calls
    assert set() == {name for name in calls - VERBS if f"td.{name}(" not in source}


def test_projects_are_pushed_looked_at_and_deleted(td, pushed, project, tmp_path):
    again = td.create_project(
        pushed.name, str(project), revision="r2", schedule_from=datetime.now(UTC) + timedelta(days=9),
        clear_schedules=["daily"], clear_schedule_all=True, exclude_patterns=["queries"],
    )  # fmt: skip
    other = td.create_project(f"other-{pushed.name}", str(project))
    archive = tmp_path / "archive.tar.gz"

    assert (project.name, "r1", pushed.id) == (pushed.name, pushed.revision, again.id)
    assert "r2" == td.project(pushed).revision
    assert {pushed.name, other.name} < {one.name for one in td.projects()}
    assert [other.id] == [one.id for one in td.projects(name_pattern=pushed.name, count=5, last_id=pushed.id)]
    assert [other.id] == [one.id for one in td.projects(other.name)]
    assert [] == td.projects("nobody")
    assert ["r2", "r1"] == [one.revision for one in td.project_revisions(pushed)]
    assert td.download_project_archive(pushed, str(archive), revision="r1")
    with tarfile.open(archive) as packed:
        assert {"daily.dig", "failing.dig", "lengthy.dig", "queries", "queries/sales.sql"} == set(packed.getnames())
    assert td.delete_project(other)
    assert [] == td.projects(other.name)


def test_a_push_that_does_not_run_here_is_told_with_its_line(td, project):
    (project / "daily.dig").write_text("+load:\n  td>: queries/sales.sql\n")

    with pytest.raises(HttpError, match=r"daily\.dig:2: the operator 'td>' does not run here"):
        td.create_project(project.name, str(project))
    assert [] == td.projects(project.name)


def test_workflows_are_found_by_project_name_and_revision(td, pushed):
    found = td.workflows(name_pattern=pushed.name, search_project_name=True)
    daily = next(one for one in found if one.name == "daily")

    assert ["daily", "failing", "lengthy"] == sorted(one.name for one in found)
    assert {one.id for one in found} < {one.id for one in td.workflows()}
    assert "daily" in [one.name for one in td.workflows(name_pattern="dai", count=5, order="asc")]
    assert found[-1:] == td.workflows(last_id=found[-2].id)
    assert ("Asia/Tokyo", pushed.name) == (td.workflow(daily).timezone, td.workflow(daily.id).project.name)
    assert [daily.id] == [one.id for one in td.project_workflows(pushed, "daily", "r1")]
    assert 3 == len(td.project_workflows(pushed)) == len(td.project_workflows_by_name(pushed.name))


def test_secrets_are_set_and_forgotten_and_never_shown(td, pushed):
    assert td.set_secrets(pushed, {"a": "1", "b.c": "2", "d": "3"})
    assert ["a", "b.c", "d"] == sorted(td.secrets(pushed))
    assert td.delete_secret(pushed, "a")
    assert td.delete_secrets(pushed, ["b.c", "d"])
    assert [] == td.secrets(pushed)
    assert not td.delete_secret(pushed, "a")


def test_a_schedule_is_disabled_enabled_and_skipped(td, pushed, schedule):
    to = schedule.nextRunTime + timedelta(days=2)
    dry = td.skip_schedule(schedule, next_time=to.isoformat(), dry_run=True)
    skipped = td.skip_schedule(schedule, next_time=to.isoformat(), next_run_time=to + timedelta(hours=1))

    assert (pushed.name, "daily") == (schedule.project.name, schedule.workflow.name)
    assert schedule.id == td.project_schedules(pushed, "daily")[0].id == td.schedule(schedule.id).id
    assert schedule.id in [one.id for one in td.schedules()]
    assert [] == td.project_schedules(pushed, "lengthy", last_id=5) == td.schedules(last_id=schedule.id)
    assert td.disable_schedule(schedule).disabledAt is not None
    assert td.schedule(schedule).disabledAt is not None
    assert td.enable_schedule(schedule).disabledAt is None
    assert to == dry.nextRunTime
    assert to + timedelta(hours=1) == skipped.nextRunTime == td.schedule(schedule).nextRunTime
    with pytest.raises(HttpError, match="fromTime and count"):
        td.skip_schedule(schedule, from_time=days_ago(1))


def test_a_backfill_runs_and_everything_about_it_can_be_looked_at(td, pushed, schedule):
    dry = td.backfill_schedule(schedule, "again", days_ago(4), dry_run=True, count=3)
    made = td.backfill_schedule(schedule, "again", days_ago(4), count=3)
    ended = [td.wait_attempt(each, SECONDS_BETWEEN_LOOKS) for each in made.attempts]
    first, last = ended[0], ended[-1]
    sessions = [one for one in td.sessions() if one.project.id == pushed.id]

    assert [each.sessionTime for each in dry.attempts] == [each.sessionTime for each in made.attempts]
    assert [timedelta(days=1)] * 2 == [b.sessionTime - a.sessionTime for a, b in pairwise(ended)]
    assert ["success"] * 3 == [each.status for each in ended]
    assert ["again"] * 3 == [each.retryAttemptName for each in ended]
    assert [each.id for each in ended] == [each.lastAttempt.id for each in reversed(sessions)]
    assert [sessions[1].id] == [one.id for one in td.sessions(last_id=sessions[0].id, page_size=1)]
    assert [one.id for one in sessions] == [one.id for one in td.project_sessions(pushed, "daily")]
    assert last.id == td.session(sessions[0].id).lastAttempt.id
    assert [first.id] == [one.id for one in td.session_attempts(int(first.sessionId), page_size=5)]
    assert [last.id] == [one.id for one in td.attempts(pushed.name, "daily", include_retried=True, page_size=1)]
    assert first.params == td.attempt(first.id).params
    assert ["success"] == [task.state for task in td.attempt_tasks(first)]
    assert [f"it was {first.sessionTime:%Y-%m-%d}\n"] == td.logs(first)
    assert len(td.logs(first)) == len(td.log_files(first.id))
    with pytest.raises(HttpError, match="409"):
        td.backfill_schedule(schedule, "again", days_ago(4).isoformat(), count=1)


def test_an_attempt_is_started_killed_and_tried_again_by_hand(td, pushed):
    workflow = td.project_workflows(pushed, "lengthy")[0]
    started = td.start_attempt(workflow, workflow_params={"seconds": 600}, pool_id=7)
    named = {"session_time": started.sessionTime.isoformat(), "retry_attempt_name": "again"}
    with pytest.raises(HttpError, match="409"):
        td.start_attempt(workflow, started.sessionTime.isoformat())
    killed = td.wait_attempt(td.kill_attempt(started), SECONDS_BETWEEN_LOOKS)
    again = td.wait_attempt(td.start_attempt(workflow, workflow_params={"seconds": 0}, **named), SECONDS_BETWEEN_LOOKS)

    assert ("killed", False) == (killed.status, killed.success)
    assert ("success", killed.sessionId, 2) == (again.status, again.sessionId, again.index)
    assert [started.id, again.id] == [one.id for one in td.retried_attempts(again)]
    assert [again.id] == [one.id for one in td.attempts(pushed.name)]


def test_what_a_failed_attempt_printed_can_be_read(td, pushed):
    workflow = td.project_workflows(pushed, "failing")[0]
    failed = td.wait_attempt(td.start_attempt(workflow, workflow_params={"code": 1}), SECONDS_BETWEEN_LOOKS)
    (file,) = td.log_files(failed)

    assert "error" == failed.status
    assert re.search("no such luck", str(td.log_file(failed, file)))


def test_after_the_project_is_deleted_its_attempts_can_still_be_read(td, pushed):
    workflow = td.project_workflows(pushed, "failing")[0]
    done = td.wait_attempt(td.start_attempt(workflow, workflow_params={"code": 0}), SECONDS_BETWEEN_LOOKS)
    td.delete_project(pushed)

    assert "success" == td.attempt(done).status
    assert ["no such luck\n"] == td.logs(done)
    assert done.id in [one.lastAttempt.id for one in td.sessions()]
    with pytest.raises(HttpError, match="404"):
        td.start_attempt(workflow)
