"""What the demo does with its daemon, step by step, through the public API and nothing else."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from backfilld.cli.demo import tickets as demo_tickets
from backfilld.cli.demo.folder import WORKFLOW
from backfilld.cli.output.error_output import Failure
from backfilld.cli.output.failure_groups import failures_of
from backfilld.cli.output.printing import number
from backfilld.cli.output.workflow_lookup import workflow_id
from backfilld.clock import Clock

if TYPE_CHECKING:
    from backfilld.client import Client

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.1
CHUNK_BYTES = 64 * 1024
ACTIVE = ["planning", "running", "waiting", "paused", "cancelling"]
ENDED = ("completed", "completed_with_failures", "cancelled", "failed")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

FILTER = {
    "combinator": "and",
    "rules": [
        {"field": "status", "operator": "in", "value": ["closed", "resolved"]},
        {"field": "priority", "operator": "<=", "value": 3},
        {"field": "created_at", "operator": ">=", "value": "2023-01-01"},
        {"field": "company.tier", "operator": "in", "value": ["gold", "silver"]},
        {"field": "category", "operator": "null"},
    ],
}
Say = Callable[[str], None]


async def wait_until_ready(client: "Client", clock: Clock) -> None:
    """Return once the daemon says that it is ready; Failure with its reason if it never is."""
    from backfilld.client import ApiError, ServerUnreachable

    deadline = clock.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await client.ready()
        except (ApiError, ServerUnreachable) as problem:
            if clock.monotonic() > deadline:
                raise Failure(f"the daemon does not become ready: {problem}") from problem
            await clock.sleep(POLL_SECONDS)
        else:
            return


async def load_tickets(client: "Client", say: Say) -> None:
    """Put the shipped tickets into the built-in entity store; a second time changes nothing."""
    loaded = (await client.upload_entities("ticket", _pieces(demo_tickets.shipped()))).data
    new, changed, unchanged = (loaded[name] for name in ("inserted", "updated", "unchanged"))
    say(
        f"imported {number(new + changed + unchanged)} tickets: {number(new)} new,"
        f" {number(changed)} changed, {number(unchanged)} as before"
    )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


async def clear_the_way(client: "Client", clock: Clock, workflow: int, say: Say) -> None:
    """Cancel what a demo that was interrupted has left unfinished."""
    query: dict[str, object] = {"status": ACTIVE, "target_workflow_id": workflow}
    async for left in client.every("backfills", "/backfills", **query):
        say(f"cancelling the backfill that an earlier demo left {left['status']}")
        await client.cancel_backfill(left["id"], reason="left over by an interrupted demo")
        deadline = clock.monotonic() + PATIENCE_SECONDS
        while (await client.get_backfill(left["id"]))["backfill"]["status"] not in ENDED:
            if clock.monotonic() > deadline:
                raise Failure(f"backfill {left['id']} of an earlier demo cannot be cancelled")
            await clock.sleep(POLL_SECONDS)


async def create(client: "Client", clock: Clock, say: Say) -> dict[str, Any]:
    """The new backfill."""
    workflow = await workflow_id(client, WORKFLOW)
    await clear_the_way(client, clock, workflow, say)
    found = await client.verify_filter("ticket", FILTER)
    say(
        f"{number(found['matching_entities'])} of them match: closed or resolved, priority 1 to 3, since 2023,"
        " of gold and silver customers, not classified yet"
    )
    always = {day: [{"run_start_time": "00:00", "run_end_time": "24:00"}] for day in DAYS}
    body = {
        "name": "classify old tickets",
        "reason": "demo",
        "entity_type": "ticket",
        "filter_spec": FILTER,
        "daily_execution_windows": always,
        "timezone": "UTC",
        "max_in_flight": 5,
        "target_workflow_id": workflow,
        "reprocess_behavior": "completed",
    }
    backfill: dict[str, Any] = (await client.create_backfill(body))["backfill"]
    say(f"created backfill {backfill['id']}: at most 5 at once, open all day every day")
    return backfill


async def summary(client: "Client", id: str) -> dict[str, Any]:
    """What became of it: the backfill, its errors by class, what was skipped, and how many needed several tries."""
    backfill = (await client.get_backfill(id))["backfill"]
    errors = await failures_of(client, id)
    retried = {"succeeded": 0, "failed": 0, "skipped": 0}
    tries = 0
    skips: dict[str, int] = {}
    async for item in client.every("entities", f"/backfills/{id}/entities"):
        tries += item["attempts"]
        if item["attempts"] > 1:
            retried[item["status"]] = retried.get(item["status"], 0) + 1
        if item.get("skip_reason"):
            skips[item["skip_reason"]] = skips.get(item["skip_reason"], 0) + 1
    return {"backfill": backfill, "errors": errors, "skips": skips, "retried": retried, "tries": tries}
