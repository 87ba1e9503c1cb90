"""One backfill for as long as its lease is ours: what all that carry it share."""

from dataclasses import dataclass

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.brakes.settings import Start
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.backfills.gate import Gate
from backfilld.engine.backfills.status_writer import StatusWriter
from backfilld.engine.starting.capacity import Share
from backfilld.engine.starting.leases import Lease
from backfilld.engine.starting.one_try import OneTry
from backfilld.engine.starting.targets.target_health import TargetHealth
from backfilld.store.backfills.leases import Grant


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """The right to carry it, the gate before its starts, its status, and what every run of this process uses."""

    lease: Lease[Grant]
    gate: Gate
    status_writer: StatusWriter
    context: BackfillContext
    places: Share

    @staticmethod
    def begun(backfill: Backfill, lease: Lease[Grant], health: TargetHealth, context: BackfillContext) -> "Run":
        """A run of `backfill`, as it was when its lease had been taken. CannotGoOn, if its windows cannot be read."""
        gate = Gate(backfill, lease, health, context.clock, ramp_seconds=context.limits.ramp_seconds)
        workflow = f"{backfill.project_name}/{backfill.workflow_name}"
        gate.last_start = context.last_starts.get(backfill.number)
        gate.obey(context.brakes, Start(workflow, health.origin.target))
        places = context.capacity.share(health.origin.target)
        return Run(lease, gate, StatusWriter(backfill, lease, gate, context), context, places)

    def __repr__(self) -> str:
        backfill = self.backfill
        return f"<run of {backfill.id}, {backfill.status}, {len(self.gate.in_flight)} in flight, {self.gate!r}>"

    def obey_reload(self, one_try: OneTry) -> None:
        """Have `one_try` work by what a reload has made of its executor, if it has.

        Where that has another target, the gate is in front of the wrong one: whoever has nothing in flight gives the
        lease back for it, and is taken anew. So does one that could not be worked with, and can be by now.
        """
        executor = self.context.executors.for_revision(self.backfill.revision_id, self.backfill.definition)
        if executor.target == self.gate.health.origin.target or self.gate.in_flight:
            one_try.use(executor)
        else:
            self.gate.drain()

    def keep_last_start(self) -> None:
        """For the next run of the same backfill: who pauses and resumes may not start sooner than the pace lets him."""
        last, kept = self.gate.last_start, self.context.last_starts
        if last is None or self.backfill.status in ENDED:
            kept.pop(self.backfill.number, None)
        else:
            kept[self.backfill.number] = last

    @property
    def backfill(self) -> Backfill:
        """As it is in force now: its status and settings change under whoever looks."""
        return self.gate.backfill
