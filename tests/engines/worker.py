"""A worker of Temporal in a process of its own: what a run does stands in the attributes of its entity.

`seconds` is how long it takes, `fail_until` the first attempt that succeeds, `raise` the type of its error, `final`
that it is not to be tried again, `say` what it answers, `again` how often it continues as new.

    python -m tests.engines.worker ADDRESS QUEUE [NAMESPACE]
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


@activity.defn
async def work(wanted: dict[str, Any]) -> dict[str, Any]:
    """As an activity, for those who measure it."""
    await asyncio.sleep(wanted.get("seconds", 0))
    return {"done": True}


@workflow.defn
class Enrich:
    """Does what the entity says."""

    @workflow.run
    async def run(self, item: dict[str, Any]) -> Any:
        wanted = item.get("entity", {}).get("attributes", {})
        if seconds := wanted.get("seconds"):
            await workflow.sleep(timedelta(seconds=seconds))
        if wanted.get("again"):
            item["entity"]["attributes"]["again"] -= 1
            workflow.continue_as_new(item)
        if item["attempt"] < wanted.get("fail_until", 1) or wanted.get("raise"):
            raise ApplicationError(
                "it does not work", type=wanted.get("raise", "Trouble"), non_retryable=wanted.get("final", False)
            )
        return wanted.get("say", {"attempt": item["attempt"]})


@workflow.defn
class Classic:
    """One activity in a workflow, as most are."""

    @workflow.run
    async def run(self, item: dict[str, Any]) -> Any:
        return await workflow.execute_activity(
            work,
            item.get("entity", {}).get("attributes", {}),
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


async def main(address: str, queue: str, namespace: str = "default") -> None:
    """Work until somebody ends us."""
    client = await Client.connect(address, namespace=namespace)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[Enrich, Classic],
        activities=[work],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=2000,
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
