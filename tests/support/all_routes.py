"""Every route that the daemon serves, with nothing behind it: for what is made from the routes themselves."""

from functools import cache
from typing import Any, cast
from unittest.mock import MagicMock

from tests.support.clock import FakeClock

from backfilld.api import health
from backfilld.api.framework.routing import Route
from backfilld.app.first_parts import FirstParts
from backfilld.app.routes.every_route import every_route
from backfilld.config import Settings
from backfilld.metrics import Metrics


@cache
def all_routes() -> list[Route]:
    """As `app` joins them, the same list each time; the handlers must not be called."""
    nothing = cast(Any, MagicMock())
    access = health.MetricsAccess(Metrics(), nothing, public=False, clock=FakeClock())
    first = FirstParts(
        Settings(), nothing, nothing, nothing, nothing, workflows=nothing, stopping=nothing, authenticators=(),
        door=nothing, health=health.routes(nothing, access), clock=FakeClock(), bus=nothing,
    )  # fmt: skip
    return [*every_route(first).routes]
