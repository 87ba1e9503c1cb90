"""What the listener counts."""

import platform
from uuid import UUID

from prometheus_client import generate_latest

from backfilld import __version__
from backfilld.bus import Bus
from backfilld.events import (
    BackfillCreated,
    BackfillExpired,
    BreakerMoved,
    DatabaseBack,
    DatabaseLost,
    Event,
    ItemInterrupted,
    LeaseTaken,
    OutcomesRecorded,
    PlanFrozen,
    RecorderFailed,
    RowsRemoved,
    TryEnded,
)  # fmt: skip
from backfilld.metrics import BREAKER_STATES, Metrics

ID = UUID(int=7)


class Found:
    """What was counted: `found(name, label=value)`."""

    def __init__(self, *events: Event) -> None:
        metrics, bus = Metrics(), Bus()
        bus.listen(metrics)
        for event in events:
            bus.tell(event)
        self.metrics = metrics

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"backfilld_{name}", labels)


def test_tries_and_outcomes_are_counted_apart() -> None:
    found = Found(
        TryEnded(ID, "w", "http://t", "try_again", "http_500", 0.1),
        TryEnded(ID, "w", "http://t", "succeeded", None, 0.1, "succeeded"),
        TryEnded(ID, "w", "http://t", "try_again", "http_500", 0.1, "failed"),
    )

    assert 2 == found("tries_total", workflow="w", kind="try_again", error_class="http_500")
    assert 1 == found("outcomes_total", workflow="w", status="succeeded")
    assert 1 == found("outcomes_total", workflow="w", status="failed")
    assert 3 == found("try_seconds_count", workflow="w")


def test_a_target_is_in_one_state() -> None:
    found = Found(BreakerMoved("http://t", "open", "down"), BreakerMoved("http://t", "half_open", None))
    states = {state: found("target_breaker", target="http://t", state=state) for state in BREAKER_STATES}

    assert {"closed": 0, "half_open": 1, "open": 0, "refusing": 0} == states


def test_commits_and_the_database_are_watched() -> None:
    found = Found(
        OutcomesRecorded(30, 2, 0.004),
        RecorderFailed("lost", 9),
        DatabaseLost("lost"),
        DatabaseBack(3),
        DatabaseLost("again"),
    )

    assert (30, 2) == (found("recorded_total", what="outcome"), found("recorded_total", what="retry"))
    assert 1 == found("commit_seconds_count")
    assert 1 == found("commits_failed_total")
    assert 0 == found("database_up")


def test_no_backfill_is_named() -> None:
    found = Found(
        BackfillCreated(ID, "w", "ticket", "cli"),
        PlanFrozen(ID, "w", 10, 1, 0.1),
        LeaseTaken(ID, 1, True),
        ItemInterrupted(ID, "e-1", 1),
        TryEnded(ID, "w", "http://t", "succeeded", None, 0.1, "succeeded"),
    )
    text = found.metrics.render().decode()

    assert 'workflow="w"' in text
    assert str(ID) not in text
    assert "e-1" not in text


def test_what_is_watched_is_asked_at_every_scrape() -> None:
    metrics, values = Metrics(), iter([1, 2])
    metrics.watch("in_flight", "Items in flight.", lambda: next(values))

    assert b"backfilld_in_flight 1.0" in metrics.render()
    assert b"backfilld_in_flight 2.0" in metrics.render()


def test_what_was_forgotten_is_counted() -> None:
    found = Found(BackfillExpired(ID, "w"), RowsRemoved("ledger", 20, 0.1), RowsRemoved("ledger", 5, 0.1))

    assert 1 == found("backfills_expired_total", workflow="w")
    assert 25 == found("removed_rows_total", what="ledger")


def test_what_runs_and_what_it_takes_of_the_machine_is_told():
    text = generate_latest(Metrics().registry).decode()

    assert f'backfilld_build_info{{python="{platform.python_version()}",version="{__version__}"}} 1.0' in text
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"):
        assert f"\n{name} " in text
