"""Single parts of the engine, made without the rest, for tests that look at one of them alone."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from tests.support.backfills import SETTINGS, with_settings
from tests.support.clock import NOON, FakeClock

from backfilld.bus import Bus
from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.backfills.states import Status
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.engine.backfills.context import Limits
from backfilld.engine.backfills.gate import Gate
from backfilld.engine.backfills.limits.read_ahead import ReadAhead
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.starting.capacity import Capacity
from backfilld.engine.starting.leases import Lease
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import TargetHealth
from backfilld.events import Event
from backfilld.store.backfills.leases import Grant
from backfilld.store.connection.pool import Pool

TARGET = "http://target"
OPEN = {"combinator": "and", "not": False, "rules": [{"field": "status", "operator": "=", "value": "open"}]}
MONDAY_NOON_TO_ONE = {"monday": [{"run_start_time": "12:00", "run_end_time": "13:00"}]}


def a_backfill(**settings: Any) -> Backfill:
    """A running backfill that no database knows: always open, five at a time."""
    plain = Backfill(
        number=7, id=uuid4(), kind="entities", parent_number=None, parent_id=None, workflow_id=1, workflow_name="w",
        revision_id=2, workflow_version=1, definition={}, workflow_enabled=True, settings=SETTINGS,
        filter_resolved={"match_all": True}, named_ids=None, sample_open=False, credits_per_entity=None,
        created_by="key:test", created_at=NOON, updated_at=NOON, completed_at=None, error=None, version=1,
        status=Status.RUNNING, reason=None, planned_at=NOON, source_cursor=None, wake_at=None, cancel_in_flight=False,
    )  # fmt: skip
    return with_settings(plain, settings)


def an_item(position: int = 0, **fields: Any) -> Item:
    plain = Item(
        backfill_number=7, position=position, entity_id=f"e{position}", attributes={}, as_of=None, read_at=0.0
    )  # fmt: skip
    return replace(plain, **fields)


def a_lease(clock: FakeClock, backfill_number: int = 7, *, clean: bool = True, fence: int = 1) -> Lease:
    return Lease(Grant(backfill_number, fence, "me/1", clean), clock.boottime())


def an_account(clock: FakeClock, *, mark: int = 0, most: int = 100, lease: Lease | None = None) -> RunState:
    return RunState(lease or a_lease(clock), clock, mark=mark, max_unrecorded=most, throughput=0.0)


class Target:
    """The health of a target, what was told about it, and a gate in front of it."""

    def __init__(self, clock: FakeClock, target: str = TARGET) -> None:
        self.clock = clock
        self.told: list[Event] = []
        bus = Bus()
        bus.listen(self.told.append)
        self.targets = Targets(clock, bus)
        self.health = self.targets.health(target)

    def gate(self, lease: Lease | None = None, *, ramp_seconds: float = 0.0, **settings: Any) -> Gate:
        lease = lease or a_lease(self.clock)
        return Gate(a_backfill(**settings), lease, self.health, self.clock, ramp_seconds=ramp_seconds)


def a_run(gate: Gate, clock: FakeClock, lease: Lease | None = None, **parts: Any) -> Run:
    """What carries the backfill of `gate`; `parts` are what it finds in its context, beside a clock and limits."""
    plain = {"clock": clock, "bus": Bus(), "limits": Limits(), "read_ahead": ReadAhead(), "capacity": Capacity(1)}
    context: Any = SimpleNamespace(**{"ledger": None} | plain | parts)
    return Run(lease or a_lease(clock), gate, None, context, context.capacity.share(gate.health.origin.target))


def break_down(health: TargetHealth) -> None:
    """So that its breaker opens."""
    for item in range(5):
        health.note(Verdict(VerdictKind.UNREACHABLE), item, probe=False)


def renewed(lease: Lease, clock: FakeClock) -> None:
    lease.renewed_at = clock.boottime()


def step(clock: FakeClock, by: timedelta) -> None:
    """The wall clock alone is moved, as by an administrator."""
    clock.set(clock.now() + by)


async def cut_connections(pool: Pool, *, waiting_for: str | None = None) -> int:
    """Break the other connections to the database of `pool` (or those that wait for a Lock, …); how many there were."""
    return await pool.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND ($1::text IS NULL OR wait_event_type = $1)",
        waiting_for,
    )
