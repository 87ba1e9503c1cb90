"""What each of the pages shows: the API's own shapes of it, put in the order in which people need them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backfilld.api.public.brakes import BrakeAnswer
from backfilld.api.public.engines import EngineAnswer
from backfilld.api.public.notifications import NotificationAnswer
from backfilld.api.public.sources import SourceAnswer
from backfilld.api.public.system import SystemAnswer
from backfilld.api.public.targets import TargetAnswer
from backfilld.domain.access.callers import Role
from backfilld.domain.backfills.states import ReasonCode
from backfilld.operations.system.every import SystemOperations
from backfilld.web.pages.system.sparks import spark_of
from backfilld.web.words.states import Pill

Read = Callable[[], Awaitable[Mapping[str, Any]]]

WELL = Pill("Well", "done", "ok")
HOLDS = Pill("Holds", "alert", "bad")


@dataclass(frozen=True, slots=True)
class Tab:
    """A page: `/system/{name}`, or `/system` itself.

    `role`: who may see it. `is_live`: it is sent anew as it changes."""

    name: str
    word: str
    role: Role = "viewer"
    is_live: bool = False

    @property
    def path(self) -> str:
        return "/system" if self.name == "health" else f"/system/{self.name}"


TABS = (
    Tab("health", "Health", is_live=True),
    Tab("targets", "Targets", is_live=True),
    Tab("sources", "Sources"),
    Tab("brakes", "Brakes", is_live=True),
    Tab("workflows", "Workflows"),
    Tab("notifications", "Notifications", is_live=True),
    Tab("keys", "Keys", role="admin"),
    Tab("audit", "Audit"),
)
LIVE = {tab.name: tab for tab in TABS if tab.is_live}


class Reading:
    """Reads what the pages show that need nothing of an address."""

    def __init__(self, system: SystemOperations) -> None:
        self._system = system
        self.by_tab: Mapping[str, Read] = {
            "health": self.health, "targets": self.targets, "sources": self.sources, "brakes": self.brakes,
            "notifications": self.notifications,
        }  # fmt: skip

    async def health(self) -> Mapping[str, Any]:
        """The daemons, the database, and what is wrong."""
        return {"now": SystemAnswer.of(await self._system.status.read())}

    async def targets(self) -> Mapping[str, Any]:
        """Those in trouble first."""
        found = [TargetAnswer.of(one) for one in self._system.targets.list_all()]
        rows = [(one, target_pill(one), one.state != "closed" or bool(one.refuses)) for one in found]
        engines = [EngineAnswer.of(one) for one in self._system.engines.list()]
        return {
            "rows": sorted(rows, key=lambda row: (not row[2], row[1].tone != "warn", row[0].target)),
            "engines": [(one, engine_pill(one)) for one in engines],
        }

    async def sources(self) -> Mapping[str, Any]:
        """What is asked elsewhere, and the types that are kept here."""
        found = [SourceAnswer.of(one) for one in await self._system.sources.list()]
        rows = [(one, WELL if one.healthy else Pill("Held up", "alert", "bad")) for one in found]
        foreign = {name for one in found for name in one.entity_types}
        here = [one for one in await self._system.entities.list_types() if one.name not in foreign]
        return {
            "rows": sorted(rows, key=lambda row: (row[0].healthy, row[0].name)),
            "kept": [one for one in here if one.loaded_at is not None],
            "unused": [one.name for one in here if one.loaded_at is None],
        }

    async def brakes(self) -> Mapping[str, Any]:
        """Those that hold first."""
        found = [BrakeAnswer.of(one) for one in await self._system.brakes.list_all()]
        rows = [(one, brake_pill(one), spark_of(one)) for one in found]
        return {"rows": sorted(rows, key=lambda row: (not row[0].holds, row[0].name))}

    async def notifications(self) -> Mapping[str, Any]:
        """Each with what has become of its messages."""
        found = [NotificationAnswer.of(one) for one in await self._system.notifications.list_all()]
        return {"rows": [(one, endpoint_pill(one)) for one in found]}


def target_pill(one: TargetAnswer) -> Pill:
    """How a target is, in a word or two."""
    if one.state == "open":
        return Pill("Unreachable", "alert", "bad")
    if one.state == "half_open":
        return Pill("Being asked", "alert", "bad")
    if one.refuses:
        return Pill("Refuses us", "alert", "bad")
    return Pill("Asked us to wait", "hold", "warn") if one.paused_until else WELL


def engine_pill(one: EngineAnswer) -> Pill:
    """How an engine is, as far as work has shown."""
    if one.state != "closed":
        return Pill("Unreachable" if one.state == "open" else "Being asked", "alert", "bad")
    return Pill("Asked us to wait", "hold", "warn") if one.paused_until else WELL


def brake_pill(one: BrakeAnswer) -> Pill:
    """How a brake is; what somebody has released is told beside."""
    if one.hold is not None and one.hold.code == ReasonCode.BRAKED_CRITICALLY:
        return Pill("Critical", "alert", "bad")
    if one.holds:
        return HOLDS
    if one.released_until is not None:
        return Pill("Released", "hold", "warn")
    if one.last_look_at is None:
        return Pill("Not looked yet", "wait", "idle")
    return Pill("Sees nothing", "hold", "warn") if one.last_error else Pill("Lets go", "done", "ok")


def endpoint_pill(one: NotificationAnswer) -> Pill:
    """How an endpoint is."""
    if one.origin is None:
        return Pill("Secret missing", "alert", "bad")
    if not one.enabled:
        return Pill("Switched off", "hold", "warn")
    if one.dead:
        return Pill("Some did not arrive", "alert", "bad")
    return Pill("Arrives", "done", "ok") if one.last_delivered_at else Pill("Nothing sent yet", "wait", "idle")
