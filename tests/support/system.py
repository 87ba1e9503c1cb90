"""The verbs of the installation over a test's database, with an engine that runs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.clock import FakeClock

from backfilld.bus import Bus
from backfilld.engine.brakes.board import Brakes
from backfilld.engine.notifications.deliverer import Deliverer
from backfilld.engine.starting.stop_order import Stopping
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.executors.engines import Engine
from backfilld.operations.auditing import AuditReading
from backfilld.operations.brakes import BrakeOperations
from backfilld.operations.engines.looking import EngineOperations
from backfilld.operations.entities import Entities
from backfilld.operations.keys import KeyOperations
from backfilld.operations.notifications import NotificationOperations
from backfilld.operations.sources import SourceOperations
from backfilld.operations.stopping import StopOperations
from backfilld.operations.system.every import SystemOperations
from backfilld.operations.system.status import SystemReading, ThisDaemon
from backfilld.operations.system.targets import TargetOperations
from backfilld.operations.workflows import WorkflowOperations
from backfilld.sources.builtin import BuiltinSource
from backfilld.sources.registry import SourceRegistry
from backfilld.store.admin.stopping import StopStore
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads
from backfilld.store.steering.brakes import BrakeStore
from backfilld.store.steering.deliveries import DeliveryStore

INSTANCE, PROCESS = "0f6b3d5e9a2c4f7c", "4711-9f86d081"


@dataclass
class System:
    """The verbs, and what of the engine tests reach into. `checks` is what the daemon says of its parts."""

    verbs: SystemOperations
    targets: Targets
    brakes: Brakes
    deliverer: Deliverer
    engines: dict[str, Engine]
    switch: StopSwitch
    checks: dict[str, str | None] = field(default_factory=lambda: {"database": None, "scheduler": None})


def make_system(pool: Pool, clock: FakeClock) -> System:
    """All of it."""
    bus, store, switch = Bus(), EntityStore(pool), StopSwitch()

    async def learned(entity_type: str) -> Mapping[str, object]:
        return (await store.get_type(entity_type)).fields

    sources = SourceRegistry({"builtin": BuiltinSource(store)}, learned=learned)
    engines: dict[str, Engine] = {}
    targets, brakes = Targets(clock, bus), Brakes(BrakeStore(pool), clock, bus)
    deliverer = Deliverer(DeliveryStore(pool), clock, bus)
    stopping = Stopping(StopStore(pool), switch, (), clock, bus)
    checks: dict[str, str | None] = {"database": None, "scheduler": None}

    async def asked() -> Mapping[str, str | None]:
        return checks

    daemon = ThisDaemon(INSTANCE, PROCESS, "backfilld on /run/x", clock.now(), asked)
    verbs = SystemOperations(
        status=SystemReading(pool, daemon, lambda: switch.order, clock),
        stopping=StopOperations(pool, StopStore(pool), stopping, clock),
        targets=TargetOperations(pool, targets, clock),
        engines=EngineOperations(engines, targets, clock),
        sources=SourceOperations(sources, {}, clock),
        entities=Entities(store, EntityUploads(pool), sources, clock),
        workflows=WorkflowOperations(pool, clock, DefinitionRules(("http",), (), (), {})),
        keys=KeyOperations(pool, clock),
        notifications=NotificationOperations(pool, deliverer, clock),
        brakes=BrakeOperations(pool, brakes, clock),
        audit=AuditReading(pool),
    )
    return System(verbs, targets, brakes, deliverer, engines, switch, checks)
