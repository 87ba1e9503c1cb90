"""Every route that the daemon serves, with nothing behind it: for what is made from the routes themselves."""

from typing import Any, cast
from unittest.mock import MagicMock

from tests.support.clock import FakeClock

from backfilld.api import health
from backfilld.api.framework.routing import Route
from backfilld.api.public import stopping
from backfilld.api.reference.documents import with_documents
from backfilld.app.api_parts import _backfill_operations, _public_routes
from backfilld.app.web_parts import web_parts
from backfilld.config import Settings
from backfilld.metrics import Metrics


def all_routes() -> list[Route]:
    """As `app` joins them; the handlers must not be called."""
    nothing = cast(Any, MagicMock())
    settings = Settings()
    operations = _backfill_operations(settings, nothing, nothing, nothing, FakeClock(), nothing)
    routes = [
        *_public_routes(settings, nothing, nothing, nothing, nothing, operations, nothing, FakeClock()),
        *stopping.routes(nothing),
        *health.routes(nothing, health.MetricsAccess(Metrics(), nothing, public=False, clock=FakeClock())),
    ]
    return [*with_documents(routes), *web_parts(settings, nothing, nothing, nothing, nothing, None, FakeClock()).routes]
