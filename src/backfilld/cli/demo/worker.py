"""The demo's worker of Temporal: it classifies tickets as the demo's target does, and is as moody.

python -m backfilld.cli.demo.worker ADDRESS
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from backfilld.cli.demo.folder import TASK_QUEUE, WORKFLOW_TYPE
from backfilld.cli.demo.target import classify, fate

ERRORS = {404: "NoSuchTicket", 422: "LockedTicket", 429: "TooManyRequests", 500: "OutOfMemory"}
FINAL = (404, 422)


@activity.defn(name="classify")
async def classify_ticket(item: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a ticket, in its own time."""
    status, words, seconds = fate(item["entity"]["id"], item["attempt"])
    await asyncio.sleep(seconds)
    if status in ERRORS:
        raise ApplicationError(words, type=ERRORS[status], non_retryable=status in FINAL)
    return {"status": "skipped", "message": words} if words else classify(item["entity"])


@workflow.defn(name=WORKFLOW_TYPE)
class ClassifyTicket:
    """One activity, tried once: tries are counted by backfilld."""

    @workflow.run
    async def run(self, item: dict[str, Any]) -> Any:
        return await workflow.execute_activity(
            classify_ticket,
            item,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


async def main(address: str) -> None:
    """Work until somebody ends us."""
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[ClassifyTicket],
        activities=[classify_ticket],
        workflow_runner=UnsandboxedWorkflowRunner(),
        # What a killed worker had begun is handed to another one as soon as this is over.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
