"""More backfills for whoever looks around in a demo that goes on: one in each state that a morning may bring."""

from typing import TYPE_CHECKING, Any

from backfilld.cli.demo.folder import WORKFLOW
from backfilld.cli.demo.story import DAYS, PATIENCE_SECONDS, POLL_SECONDS, Say, clear_the_way
from backfilld.cli.output.workflow_lookup import workflow_id
from backfilld.clock import Clock

if TYPE_CHECKING:
    from backfilld.client import Client

# Workflows of their own, since one has at most one active backfill; the last has no target that could be reached.
WORKFLOWS = ("archive-tickets", "score-tickets", "translate-tickets", "enrich-tickets", "notify-owners")
AWAY = "sync-to-crm"
NIGHTS = {day: [{"run_start_time": "22:00", "run_end_time": "06:00"}] for day in DAYS[:5]}
ALWAYS = {day: [{"run_start_time": "00:00", "run_end_time": "24:00"}] for day in DAYS}
OPEN_ONES = {"status": ["open", "in_progress"]}
PAUSED = "tell owners of open tickets"
WHY = "the mail gateway is being moved"


def _scenes(failing: list[str]) -> list[dict[str, Any]]:
    """Bodies, each with the name of its workflow under `workflow`."""
    return [
        {"workflow": "archive-tickets", "name": "archive closed tickets, by night", "daily_execution_windows": NIGHTS,
         "filter_spec": {"status": "closed"}, "timezone": "America/New_York"},
        {"workflow": "score-tickets", "name": "score open tickets", "filter_spec": OPEN_ONES, "start": "when_approved"},
        {"workflow": "translate-tickets", "name": "translate titles", "filter_spec": {}, "sample_size": 12},
        {"workflow": "enrich-tickets", "name": "enrich all tickets", "filter_spec": {}, "starts_per_minute": 90},
        {"workflow": "notify-owners", "name": PAUSED, "filter_spec": OPEN_ONES,
         "starts_per_minute": 60},
        {"workflow": AWAY, "name": "sync tickets to the CRM", "filter_spec": {}},
        {"workflow": WORKFLOW, "name": "classify what failed before", "filter_spec": {}, "entity_ids": failing,
         "max_attempts": 1, "reprocess_behavior": "completed",
         "failure_policy": {"max_consecutive_failures": 3, "min_sample": 2, "window": 10}},
    ]  # fmt: skip


async def play(client: "Client", clock: Clock, ended: str, say: Say) -> None:
    """Make them, and leave them where they come to stand. `ended`: the demo's backfill, whose failures fail again."""
    failed = client.every("entities", f"/backfills/{ended}/entities", status="failed")
    failing = [one["entity_id"] async for one in failed]
    made = 0
    for scene in _scenes(failing):
        if scene.get("entity_ids") == []:
            continue
        workflow = await workflow_id(client, scene.pop("workflow"))
        await clear_the_way(client, clock, workflow, say)
        body = {
            "entity_type": "ticket", "timezone": "UTC", "max_in_flight": 4, "daily_execution_windows": ALWAYS,
            "reason": "demo", "target_workflow_id": workflow,
        }  # fmt: skip
        backfill = (await client.create_backfill(body | scene))["backfill"]
        made += 1
        if scene["name"] == PAUSED:
            await _wait_until_it_runs(client, clock, backfill["id"])
            await client.pause_backfill(backfill["id"], reason=WHY)
    say(f"made {made} more backfills to look around in: one waits for its window, one for you, one for its target, …")


async def _wait_until_it_runs(client: "Client", clock: Clock, id: str) -> None:
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while (await client.get_backfill(id))["backfill"]["succeeded_count"] < 3 and clock.monotonic() < deadline:
        await clock.sleep(POLL_SECONDS)
