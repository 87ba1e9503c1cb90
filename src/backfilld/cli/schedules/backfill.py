"""`backfilld schedules backfill`: run a schedule for past times."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from backfilld.cli.inputs import read_windows
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_fields, print_json, print_table, spelled
from backfilld.cli.output.times import has_offset, with_offset
from backfilld.cli.running import run

if TYPE_CHECKING:
    from backfilld.client import Client


@click.command("backfill")
@click.argument("id", type=click.IntRange(1), required=False)
@click.option(
    "--project", help="Instead of ID: every schedule of a project. What would be run is shown, and asked about."
)
@click.option("--all", "every", is_flag=True, help="Instead of ID: every schedule.")
@click.option("--yes", is_flag=True, help="With --project or --all: do not ask.")
@click.option("--from", "from_", metavar="TIME", help="The first session runs then or later.")
@click.option("--to", metavar="TIME", help="Session times are earlier.")
@click.option("--count", type=click.IntRange(0), help="The oldest so many.")
@click.option(
    "--name", help="Of every attempt; the same name twice is refused. Left out: a new UUID, where one is needed."
)
@click.option("--skip-existing", is_flag=True, help="Leave out sessions that have any attempt.")
@click.option(
    "--skip-succeeded", is_flag=True, help="Leave out sessions that succeeded: run what failed or is missing."
)
@click.option("--advance", is_flag=True, help="Run what should have run by now, and move the schedule behind it.")
@click.option("--max-in-flight", type=click.IntRange(1), help="Default: 1, one after another.")
@click.option("--window", "windows", multiple=True, metavar="'DAYS TIMES'", help="Start only inside; repeatable.")
@click.option("--timezone", help="Of the windows. Default: the workflow's.")
@click.option("--stop-on-failure", is_flag=True, help="Pause when a session fails.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and make nothing.")
@click.option("--watch", "watch_it", is_flag=True, help="Follow it until it ends; the exit code says how.")
@json_option
@server_options
def backfill(
    server: Server, as_json: bool, id: int | None, project: str | None, every: bool, yes: bool,
    from_: str | None, to: str | None, watch_it: bool, **options: Any,
) -> None:  # fmt: skip
    """Run the schedule ID for past times; or those of a project, or all, each as a backfill of its own.

    A TIME has an offset, or is read by the workflow's clock; a mere date is its midnight.
    """
    if (id is not None) + (project is not None) + every != 1:
        raise click.UsageError("give one of ID, --project and --all")
    if id is None and (unfit := [name for name in ("count", "advance") if options[name]] + ["watch"] * watch_it):
        raise click.UsageError(f"--{unfit[0]} is for one schedule")
    body = _body(options)

    async def ask() -> int:
        async with server.client() as client:
            if id is None:
                from backfilld.cli.schedules import bulk

                times = partial(_times, client, fromTime=from_, toTime=to)
                return await bulk.backfill_all(client, body, times, project=project, yes=yes, as_json=as_json)
            body.update(await _times(client, id, fromTime=from_, toTime=to))
            data = (await client.digdag.backfill_schedule(id, body)).data
            if as_json:
                print_json(data)
            elif body["dryRun"]:
                is_empty = not data["attempts"] and not data.get("leftOut")
                _print_dry(data, await _why_none(client, id, body) if is_empty else "")
            else:
                _print_made(data, "" if data["attempts"] else await _why_none(client, id, body))
            if not watch_it or data["backfillId"] is None:
                return exit_codes.OK
            from backfilld.cli.backfills import watch as watching

            return exit_codes.of_end(await watching.watch(client, data["backfillId"], as_json=as_json, until_held=True))

    raise click.exceptions.Exit(run(ask()))


def _body(options: dict[str, Any]) -> dict[str, Any]:
    """What is sent, without the times."""
    name = options["name"]
    if name is None and not options["skip_existing"] and not options["advance"]:
        name = str(uuid4())
    body = {
        "dryRun": options["dry_run"],
        "attemptName": name,
        "count": options["count"],
        "skipExisting": options["skip_existing"] or options["advance"] or None,  # the latter needs the former
        "skipSucceeded": options["skip_succeeded"] or None,
        "advanceSchedule": options["advance"] or None,
        "maxInFlight": options["max_in_flight"],
        "dailyExecutionWindows": read_windows(options["windows"]) if options["windows"] else None,
        "windowTimezone": options["timezone"],
        "stopOnFailure": options["stop_on_failure"] or None,
    }
    return {key: value for key, value in body.items() if value is not None}


_OPTIONS = {"fromTime": "--from", "toTime": "--to"}


async def _times(client: "Client", id: int, **texts: str | None) -> dict[str, str]:
    """Those that were given, with their offsets; the schedule's workflow is looked for only if one has none."""
    given = {key: text for key, text in texts.items() if text is not None}
    if all(has_offset(text) for text in given.values()):
        return given
    workflow = int((await client.digdag.get_schedule(id))["workflow"]["id"])
    return {key: await with_offset(client, workflow, text, _OPTIONS[key]) for key, text in given.items()}


async def _why_none(client: "Client", id: int, body: dict[str, Any]) -> str:
    """What bounds the range in which there is no session."""
    stands = spelled((await client.digdag.get_schedule(id))["nextScheduleTime"])
    if body.get("advanceSchedule"):
        return f"No sessions: nothing should have run by now; the schedule's next session is {stands}."
    return f"No sessions to run before the schedule's next one, {stands}; --advance runs what it has missed."


def _print_dry(data: dict[str, Any], none: str) -> None:
    runs, left_out = data["attempts"], data.get("leftOut") or []
    rows = [(attempt["sessionTime"], attempt["status"], attempt["retryAttemptName"]) for attempt in runs]
    rows += [(one["sessionTime"], f"left out: it has an attempt ({one['status']})", None) for one in left_out]
    rows.sort(key=lambda row: datetime.fromisoformat(row[0]))
    print_table(("SESSION", "STATUS", "NAME"), [(spelled(row[0]), *row[1:]) for row in rows], empty=none)
    besides = f", {len(left_out)} left out" if left_out else ""
    click.echo(f"{len(runs)} would be run{besides}; nothing was made.", err=True)


def _print_made(data: dict[str, Any], none: str) -> None:
    rows = [
        (spelled(attempt["sessionTime"]), attempt["status"], attempt["id"], attempt["retryAttemptName"])
        for attempt in data["attempts"]
    ]
    print_table(("SESSION", "STATUS", "ATTEMPT", "NAME"), rows, empty=none)
    print_fields({"backfill": data["backfillId"]})
