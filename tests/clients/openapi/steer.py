"""A backfill made, watched and steered by the client that openapi-python-client makes: steer.py URL KEY."""

import json
import sys
import time

from backfilld_client.api.backfills import create_backfill, get_backfill, pause_backfill, resume_backfill
from backfilld_client.api.ledger import list_ledger
from backfilld_client.api.workflows import create_workflow
from backfilld_client.client import AuthenticatedClient
from backfilld_client.models import (
    CreateBackfill,
    CreateBackfillEntityType,
    CreateBackfillStart,
    CreateWorkflow,
    EchoExecutor,
    EchoExecutorType,
    FilterSpec,
    RunWindow,
    SteerBackfill,
    WeeklyWindows,
)

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)

echo = EchoExecutor(type_=EchoExecutorType.ECHO, message="hello")
workflow = create_workflow.sync(client=client, body=CreateWorkflow(name="made by Python", executor=echo)).data.workflow
always = WeeklyWindows(**{day: [RunWindow(run_start_time="00:00", run_end_time="24:00")] for day in DAYS})
wanted = CreateBackfill(
    entity_type=CreateBackfillEntityType.TICKET,
    filter_spec=FilterSpec.from_dict({"status": "closed"}),
    daily_execution_windows=always,
    max_in_flight=2,
    target_workflow_id=workflow.id,
    start=CreateBackfillStart.WHEN_APPROVED,
)
made = create_backfill.sync(client=client, body=wanted, idempotency_key="from Python").data.backfill


def until(*statuses: str):
    while (found := get_backfill.sync(made.id, client=client).data.backfill).status not in statuses:
        time.sleep(0.1)
    return found


planned = until("paused")
signals = [
    steer.sync(made.id, client=client, body=SteerBackfill(reason="as a test")).data.signal
    for steer in (pause_backfill, resume_backfill)
]
ended = until("completed", "completed_with_failures", "failed")
ledger = list_ledger.sync(made.id, client=client).data.entities
told = {
    "planned": planned.to_run_count,
    "signals": signals,
    "status": ended.status,
    "ledger": {entry.entity_id: entry.status for entry in ledger},
}
print(json.dumps(told))
