"""What Prometheus may know.

Listens to the bus like any other listener, and is told of requests by the server. Numbers that are only true at the
moment (in flight, age of the last tick) are asked for when somebody scrapes. No label ever carries the id of a
backfill: their number grows without bound.
"""

import platform
from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from backfilld import __version__
from backfilld.brake_counters import BrakeTallies, Measured
from backfilld.domain.backfills.backlog import Backlog
from backfilld.events import (
    AttemptInterrupted,
    BackfillCreated,
    BackfillExpired,
    BreakerMoved,
    DatabaseBack,
    DatabaseLost,
    Event,
    ItemInterrupted,
    LeaseLost,
    LeaseTaken,
    OutcomesRecorded,
    PlanFrozen,
    RecorderFailed,
    RowsRemoved,
    TryEnded,
)  # fmt: skip
from backfilld.source_counters import Asked, SourceTallies
from backfilld.try_counters import TryTallies

CONTENT_TYPE = CONTENT_TYPE_LATEST
BREAKER_STATES = ("closed", "half_open", "open", "refusing")
_COMMIT_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

disable_created_metrics()  # type: ignore[no-untyped-call]  # has no annotations; such series only tell when we started


class Metrics:
    """A registry of its own, so that several daemons in one process (tests) do not add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "backfilld_build_info", "1, for the version that runs.", ["version", "python"], registry=self.registry
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._count_work()
        self._count_commits()
        self._count_requests()

    def _count_work(self) -> None:
        own = self.registry
        self.tries = TryTallies()
        own.register(self.tries)
        self._brakes = BrakeTallies()
        own.register(self._brakes)
        self._sources = SourceTallies()
        own.register(self._sources)
        self.breaker = Gauge(
            "backfilld_target_breaker", "1 for the state a target is in.", ["target", "state"], registry=own
        )
        self.created = Counter("backfilld_backfills_created", "Backfills created.", ["workflow"], registry=own)
        self.plans = Counter("backfilld_plans_frozen", "Plans made.", ["workflow"], registry=own)
        self.planned = Counter("backfilld_planned_items", "Items planned.", ["workflow"], registry=own)
        self.interrupted = Counter(
            "backfilld_items_interrupted", "Items alone in flight when their process died.", registry=own
        )
        self.leases = Counter("backfilld_leases", "Leases taken and lost.", ["what"], registry=own)
        self.expired = Counter(
            "backfilld_backfills_expired", "Backfills deleted because of their age.", ["workflow"], registry=own
        )
        self.removed = Counter("backfilld_removed_rows", "Rows removed in the background.", ["what"], registry=own)
        self.backfills = Gauge(
            "backfilld_backfills", "Active backfills, by status and reason.", ["status", "reason"], registry=own
        )

        self._gauge_backlog()

    def _gauge_backlog(self) -> None:
        def gauge(name: str, description: str) -> Gauge:
            return Gauge(f"backfilld_{name}", description, registry=self.registry)

        self.pending = gauge("pending_items", "Items of active backfills that are still to be tried.")
        self.retrying = gauge("retrying_items", "Items of active backfills that wait for another try.")
        self.last_outcome_age = gauge("last_outcome_age_seconds", "Since an item of an active backfill last ended.")
        self.next_opening = gauge("next_opening_seconds", "Until the next window opens for which a backfill waits.")
        self.waiting_attempts = gauge("waiting_attempts", "Attempts outside of backfills that wait to be run.")
        self.schedule_lag = gauge("schedule_lag_seconds", "How late the schedule is that waits longest; 0: none does.")

    def _count_commits(self) -> None:
        own = self.registry
        self.recorded = Counter("backfilld_recorded", "Rows written by the recorder.", ["what"], registry=own)
        self.commit_seconds = Histogram(
            "backfilld_commit_seconds", "How long a commit of the recorder took.", buckets=_COMMIT_BUCKETS, registry=own
        )
        self.commits_failed = Counter("backfilld_commits_failed", "Commits that had to be repeated.", registry=own)
        self.database_up = Gauge("backfilld_database_up", "1 while the database answers.", registry=own)
        self.database_up.set(1)
        self.waits = Gauge(
            "backfilld_waits_for_database", "1 while this part of the daemon waits for the database.", ["part"],
            registry=own,
        )  # fmt: skip

    def _count_requests(self) -> None:
        self.requests = Counter(
            "backfilld_http_requests", "Answers, by route and status.", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.request_seconds = Histogram(
            "backfilld_http_request_seconds", "How long answers took.", ["method", "route"],
            buckets=_REQUEST_BUCKETS, registry=self.registry,
        )  # fmt: skip

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """A gauge whose value is asked for at every scrape; `name` without the `backfilld_`."""
        Gauge(f"backfilld_{name}", description, registry=self.registry).set_function(value)

    def watch_part(self, part: str, waits: Callable[[], float]) -> None:
        """Ask at every scrape whether `part` waits for the database."""
        self.waits.labels(part).set_function(waits)

    def watch_brakes(self, read: Callable[[], Iterable[Measured]]) -> None:
        """Ask `read` for every brake at every scrape."""
        self._brakes.read = read

    def watch_sources(self, read: Callable[[], Iterable[Asked]]) -> None:
        """Ask `read` for every connection to an API at every scrape."""
        self._sources.read = read

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An answer was given; `route` is its pattern, never a path."""
        self.requests.labels(method, route, status).inc()
        self.request_seconds.labels(method, route).observe(seconds)

    def set_backlog(self, backlog: Backlog, now: datetime) -> None:
        """How many active backfills there are, and what they and the schedules have before them."""
        rows = backlog.backfills
        self.forget_backlog()
        for row in rows:
            self.backfills.labels(row.status, row.reason or "").set(row.number)
        self.pending.set(sum(row.pending for row in rows))
        self.retrying.set(sum(row.retrying for row in rows))
        ended = [row.last_outcome_at for row in rows if row.last_outcome_at is not None]
        opening = [row.next_opening_at for row in rows if row.next_opening_at is not None]
        if ended:
            self.last_outcome_age.set((now - max(ended)).total_seconds())
        if opening:
            self.next_opening.set(max(0.0, (min(opening) - now).total_seconds()))
        self.waiting_attempts.set(backlog.waiting_attempts)
        if backlog.next_run_at is not None:
            self.schedule_lag.set(max(0.0, (now - backlog.next_run_at).total_seconds()))

    def forget_backlog(self) -> None:
        """Nobody knows at the moment."""
        self.backfills.clear()
        everything = (
            self.pending, self.retrying, self.last_outcome_age, self.next_opening, self.waiting_attempts,
            self.schedule_lag,
        )  # fmt: skip
        for gauge in everything:
            gauge.set(float("nan"))

    def __call__(self, event: Event) -> None:
        """Listen to the bus."""
        match event:
            case TryEnded():
                self.tries.count(event)
            case OutcomesRecorded():
                self._recorded(event)
            case RecorderFailed():
                self.commits_failed.inc()
            case BreakerMoved():
                for state in BREAKER_STATES:
                    self.breaker.labels(event.target, state).set(state == event.state)
            case BackfillCreated():
                self.created.labels(event.workflow).inc()
            case PlanFrozen():
                self.plans.labels(event.workflow).inc()
                self.planned.labels(event.workflow).inc(event.total)
            case BackfillExpired():
                self.expired.labels(event.workflow).inc()
            case RowsRemoved():
                self.removed.labels(event.what).inc(event.rows)
            case ItemInterrupted() | AttemptInterrupted():
                self.interrupted.inc()
            case LeaseTaken() | LeaseLost():
                self.leases.labels("taken" if isinstance(event, LeaseTaken) else "lost").inc()
            case DatabaseLost() | DatabaseBack():
                self.database_up.set(isinstance(event, DatabaseBack))

    def _recorded(self, event: OutcomesRecorded) -> None:
        self.recorded.labels("outcome").inc(event.outcomes)
        self.recorded.labels("retry").inc(event.retries)
        self.commit_seconds.observe(event.seconds)

    def render(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
