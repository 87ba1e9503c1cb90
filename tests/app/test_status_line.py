"""`systemctl status` says what the daemon waits for, who has stopped it, and that a file is not in force."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from backfilld.app.status_line import StatusLine


def status_line(clock, **readiness: Any) -> tuple[StatusLine, SimpleNamespace, list[str]]:
    told: list[str] = []
    ready = SimpleNamespace(migrated=True, stopping=False, stop_reason=None, waits_for="", **readiness)
    notifier: Any = SimpleNamespace(status=told.append)
    line = StatusLine(notifier, ready, clock)  # type: ignore[arg-type]
    line.serving = "serving http://x on y"
    return line, ready, told


def test_each_change_is_told_once(clock):
    line, ready, told = status_line(clock)
    ready.migrated, ready.waits_for = False, "the database refuses us: no such role"
    line.tell()
    line.tell()
    ready.migrated = True
    line.tell()
    ready.stop_reason = SimpleNamespace(message="stopped by key:me: fire")
    line.tell()
    ready.stop_reason = None
    line.tell()

    assert [
        "waiting: the database refuses us: no such role",
        "serving http://x on y",
        "serving http://x on y; stopped by key:me: fire",
        "serving http://x on y",
    ] == told


def test_a_file_that_is_not_in_force_is_told_since_the_first_time_until_it_is(clock):
    line, _, told = status_line(clock)
    began = clock.now()
    line.reloaded(1, began)
    line.tell()
    line.reloaded(1, began + timedelta(hours=1))
    line.tell()
    line.reloaded(0, began + timedelta(hours=2))
    line.tell()

    assert [
        "serving http://x on y; configuration not reloaded since 2027-03-01 12:00:00 UTC, the log says why",
        "serving http://x on y",
    ] == told


def test_nothing_is_told_over_the_words_of_a_stop(clock):
    line, ready, told = status_line(clock)
    ready.stopping = True
    line.tell()

    assert [] == told
