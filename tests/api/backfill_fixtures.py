"""What the tests of the backfill routes share: an engine that runs nothing, a workflow, and a client of all routes."""

import pytest
from tests.api.conftest import Client, Serve
from tests.support.backfill_api import make_operations
from tests.support.backfills import Workflow, make_workflow
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl

from backfilld.api.public.backfills import ledger, progress_stream
from backfilld.api.public.backfills import routes as backfills
from backfilld.api.public.steering import routes as steering
from backfilld.api.public.watching import attributes, errors, explain, history, report
from backfilld.api.public.watching import fields as field_routes
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
async def workflow(pool: Pool) -> Workflow:
    return await make_workflow(pool, "classify", credits_per_entity=1.5, rehearsal=True)


@pytest.fixture
def operations(pool: Pool, clock: FakeClock, control: FakeControl) -> BackfillOperations:
    return make_operations(pool, clock, control)


@pytest.fixture
async def client(operations: BackfillOperations, clock: FakeClock, serve: Serve) -> Client:
    routes = backfills.routes(operations) + ledger.routes(operations.ledger) + steering.routes(operations)
    routes += explain.routes(operations) + history.routes(operations) + errors.routes(operations)
    routes += attributes.routes(operations)
    routes += report.routes(operations) + field_routes.routes(operations)
    return await serve(routes + progress_stream.routes(operations, clock))
