"""All verbs that concern the installation as a whole, together, for whoever shows it."""

from dataclasses import dataclass

from backfilld.operations.auditing import AuditReading
from backfilld.operations.brakes import BrakeOperations
from backfilld.operations.engines.looking import EngineOperations
from backfilld.operations.entities import Entities
from backfilld.operations.keys import KeyOperations
from backfilld.operations.notifications import NotificationOperations
from backfilld.operations.sources import SourceOperations
from backfilld.operations.stopping import StopOperations
from backfilld.operations.system.status import SystemReading
from backfilld.operations.system.targets import TargetOperations
from backfilld.operations.workflows import WorkflowOperations


@dataclass(frozen=True, slots=True)
class SystemOperations:
    """One of each per process."""

    status: SystemReading
    stopping: StopOperations
    targets: TargetOperations
    engines: EngineOperations
    sources: SourceOperations
    entities: Entities
    workflows: WorkflowOperations
    keys: KeyOperations
    notifications: NotificationOperations
    brakes: BrakeOperations
    audit: AuditReading
