"""Every route that the daemon serves, with nothing behind it: for what is made from the routes themselves."""

from typing import Any, cast
from unittest.mock import MagicMock

from tests.support.clock import FakeClock

from backfilld.api import health
from backfilld.api.framework.routing import Route
from backfilld.api.reference.documents import with_documents
from backfilld.app.api_parts import _backfill_operations, _work_routes
from backfilld.app.system.parts import system_routes
from backfilld.app.web_parts import web_parts
from backfilld.config import Settings
from backfilld.metrics import Metrics


def all_routes() -> list[Route]:
    """As `app` joins them; the handlers must not be called."""
    nothing = cast(Any, MagicMock())
    settings = Settings()
    operations = _backfill_operations(settings, nothing, nothing, nothing, FakeClock(), nothing)
    routes = [
        *_work_routes(settings, nothing, operations, nothing, nothing, FakeClock()),
        *system_routes(nothing, settings, FakeClock()),
        *health.routes(nothing, health.MetricsAccess(Metrics(), nothing, public=False, clock=FakeClock())),
    ]
    return [
        *with_documents(routes),
        *web_parts(settings, nothing, nothing, nothing, nothing, nothing, None, FakeClock()).routes,
    ]
