"""The dashboard, joined: its frame and its pages."""

from dataclasses import dataclass

from backfilld.api.auth.roles import Doorkeeper
from backfilld.api.framework.routing import Route
from backfilld.app.database import Pools
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.system.every import SystemOperations
from backfilld.operations.web_sessions import WebSessions
from backfilld.web.frame.frame import Frame, Place
from backfilld.web.pages.account.sign_in_page import Directory
from backfilld.web.site import pages


@dataclass(frozen=True, slots=True)
class WebParts:
    """What the server is handed."""

    frame: Frame
    routes: list[Route]


def web_parts(
    settings: Settings,
    pools: Pools,
    operations: BackfillOperations,
    system: SystemOperations,
    verbs: ScheduleVerbs,
    door: Doorkeeper,
    directory: Directory | None,
    clock: Clock,
) -> WebParts:
    """All pages."""
    server = settings.server
    place = Place(speaks_tls=server.speaks_tls, public_url=server.public_url or "")
    frame = Frame(
        WebSessions(pools.requests, clock), door, clock, place, system.status.order,
        requires_reason=settings.dashboard.require_reason,
    )  # fmt: skip
    return WebParts(frame, frame.routes(pages(frame, operations, system, verbs, directory)))
