"""What Prometheus is told, taken from whoever knows it."""

from collections.abc import Callable

from backfilld.api.framework.tls import Certificate
from backfilld.app.engine_parts import EngineParts
from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.backlog import Backlog
from backfilld.engine.service import Serving
from backfilld.logs import lines_dropped
from backfilld.metrics import Metrics
from backfilld.source_counters import Asked
from backfilld.sources.http.asking.connection import Connection
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules.firing import next_due
from backfilld.store.sessions.live_attempts import count_waiting_alone


def metrics_of(engine: EngineParts, certificate: Certificate | None, clock: Clock, bus: Bus) -> Metrics:
    """Numbers of the whole daemon; what is only true at the moment is asked for at each scrape."""
    metrics = Metrics()
    bus.listen(metrics)
    metrics.watch("in_flight", "Items in flight.", lambda: engine.tools.capacity.in_use)
    metrics.watch("live_in_flight", "Attempts in flight that no backfill carries.", lambda: engine.live.in_flight)
    recovering = "What a killed daemon may have started, and is still to be repeated by this one."
    metrics.watch("recovering", recovering, lambda: engine.tools.repeats.left)
    metrics.watch("unrecorded", "Ended items that wait for their commit.", lambda: engine.recorder.unrecorded)
    metrics.watch("log_lines_dropped", "Log lines that nobody read in time.", lines_dropped)
    metrics.watch_brakes(lambda: [brake.measured(clock.now()) for brake in engine.brakes])
    metrics.watch_sources(lambda: [_asked(connection, clock) for connection in engine.connections.values()])
    _watch_obstacles(metrics, engine, clock)
    if certificate is not None:
        _watch_certificate(metrics, certificate)
    return metrics


def _asked(connection: Connection, clock: Clock) -> Asked:
    usage = connection.usage
    left = None if usage.limit is None else max(usage.limit - usage.used, 0)
    wait = 0.0 if usage.until is None else max((usage.until - clock.now()).total_seconds(), 0.0)
    return Asked(connection.name, dict(connection.outcomes), left, wait)


async def backlog_of(pool: Pool) -> Backlog:
    """What the database knows of what is still to be done, for every daemon on it."""
    return Backlog(await BackfillStore(pool).count_active(), await count_waiting_alone(pool), await next_due(pool))


def _watch_obstacles(metrics: Metrics, engine: EngineParts, clock: Clock) -> None:
    def is_blocked(loop: Serving) -> Callable[[], float]:
        return lambda: float(loop.obstacle is not None)

    def stopped() -> float:
        return float(engine.scheduler.stop_reason is not None)

    def tick_age() -> float:
        last = engine.scheduler.last_tick_at
        return float("nan") if last is None else clock.monotonic() - last

    keeper = is_blocked(engine.tools.keeper)
    metrics.watch("recorder_blocked", "1 while the database takes no outcomes.", is_blocked(engine.recorder))
    metrics.watch("leases_blocked", "1 while leases cannot be renewed, and so nothing starts.", keeper)
    for loop in engine.serving:
        metrics.watch_part(loop.part.label, is_blocked(loop))
    metrics.watch("stopped", "1 while stop-all is in force.", stopped)
    metrics.watch("last_tick_age_seconds", "Seconds since the scheduler last looked.", tick_age)


def _watch_certificate(metrics: Metrics, certificate: Certificate) -> None:
    def expires_at() -> float:
        return certificate.expires_at.timestamp() if certificate.expires_at else float("nan")

    expires = "When the certificate of the server expires, in seconds since 1970."
    metrics.watch("tls_certificate_expires_timestamp_seconds", expires, expires_at)
