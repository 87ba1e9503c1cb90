"""`backfilld schedules …`: when a schedule fires, over HTTP."""

from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.inputs import JsonObject
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import print_json, print_table, print_warnings
from backfilld.cli.running import run

if TYPE_CHECKING:
    from backfilld.client import Answer


@click.group("schedules")
def group() -> None:
    """See when a schedule fires."""


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
    rows = [(each["session_time"], each["run_time"], each["session_time_local"]) for each in answer["sessions"]]
    print_table(("SESSION", "RUNS AT", "SESSION, LOCAL TIME"), rows, empty="No sessions.")


def _now() -> str:
    from backfilld.clock import SystemClock

    return SystemClock().now().isoformat()
