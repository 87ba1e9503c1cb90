"""`backfilld schedules …`: when a schedule fires, where it stands, and its past, over HTTP."""

from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.inputs import JsonObject
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import beside, print_json, print_table, print_warnings, spelled
from backfilld.cli.running import run
from backfilld.cli.schedules import backfill, mirrors, steer
from backfilld.cli.schedules.steer import Zoned, print_schedule, zoned
from backfilld.cli.whole import WholeGroup

if TYPE_CHECKING:
    from backfilld.client import Answer, Client


@click.group("schedules", cls=WholeGroup)
def group() -> None:
    """See when schedules fire, steer them, and run them for past times."""


for command in (
    backfill.backfill,
    steer.enable,
    steer.disable,
    steer.skip,
    mirrors.mirror,
    mirrors.mirrors,
    mirrors.unmirror,
):
    group.add_command(command)


@group.command("list")
@click.option("--project", type=int, help="Id of a project.")
@click.option("--workflow", help="Name of a workflow of that project.")
@json_option
@server_options
def list_(server: Server, as_json: bool, project: int | None, workflow: str | None) -> None:
    """List schedules, and where they stand."""
    if workflow is not None and project is None:
        raise click.UsageError("--workflow needs --project")
    path = "/schedules" if project is None else f"/projects/{project}/schedules"

    async def ask() -> tuple[list[dict[str, Any]], dict[str, str]]:
        async with server.client() as client:
            found = [schedule async for schedule in client.digdag.every("schedules", path, workflow=workflow)]
            return found, {} if as_json or not found else await _zones(client)

    schedules, zones = run(ask())
    if as_json:
        print_json({"schedules": schedules})
        return
    rows = [
        (
            schedule["id"],
            schedule["project"]["name"],
            schedule["workflow"]["name"],
            spelled(schedule["nextScheduleTime"]),
            beside(schedule["nextRunTime"], schedule["nextScheduleTime"], zones.get(schedule["workflow"]["id"])),
            "no" if schedule["disabledAt"] else "yes",
        )
        for schedule in schedules
    ]
    header = ("ID", "PROJECT", "WORKFLOW", "NEXT SESSION", "RUNS AT", "ENABLED")
    print_table(header, rows, empty="No schedules.")


async def _zones(client: "Client") -> dict[str, str]:
    """Those of all workflows, by id."""
    return {one["id"]: one["timezone"] async for one in client.digdag.every("workflows", "/workflows")}


@group.command("show")
@click.argument("id", type=click.IntRange(1))
@json_option
@server_options
def show(server: Server, as_json: bool, id: int) -> None:
    """Show where a schedule stands."""

    async def ask() -> Zoned:
        async with server.client() as client:
            return await zoned(client, await client.digdag.get_schedule(id), as_json=as_json)

    print_schedule(run(ask()), as_json=as_json)


@group.command("preview")
@click.argument("schedule", type=JsonObject())
@click.option("--timezone", help="IANA name, or an offset as +09:00. Default: UTC.")
@click.option("--from", "from_", metavar="INSTANT", help="The first run time is this or later. Default: now.")
@click.option("--after", metavar="INSTANT", help="The first session time is later.")
@click.option("--before", metavar="INSTANT", help="The sessions before, backwards.")
@click.option("--count", type=int, help="At most so many. Default: 10.")
@json_option
@server_options
def preview(server: Server, as_json: bool, schedule: dict[str, Any], from_: str | None, **options: Any) -> None:
    """Show when SCHEDULE fires, as '{"daily>": "07:00:00"}'; creates nothing."""
    given = {"schedule": schedule, "from": from_, **options}
    body = {name: value for name, value in given.items() if value is not None}
    if not {"from", "after", "before"} & set(body):
        body["from"] = _now()

    async def ask() -> "Answer":
        async with server.client() as client:
            return await client.preview_schedule(body)

    answer = run(ask())
    print_warnings(answer.warnings)
    if as_json:
        print_json(answer.data)
        return
    rows = [
        (spelled(each["session_time_local"]), beside(each["run_time"], each["session_time_local"], options["timezone"]))
        for each in answer["sessions"]
    ]
    print_table(("SESSION", "RUNS AT"), rows, empty="No sessions.")


def _now() -> str:
    from backfilld.clock import SystemClock

    return SystemClock().now().isoformat()
