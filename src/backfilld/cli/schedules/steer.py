"""`backfilld schedules enable`, `disable` and `skip`."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output.printing import beside, print_fields, print_json, spelled
from backfilld.cli.output.times import with_time_of_day, zone_of
from backfilld.cli.running import run

if TYPE_CHECKING:
    from backfilld.client import Answer, Client

Zoned: TypeAlias = "tuple[Answer, str | None]"
TIME = "TIME"  # with an offset, or by the workflow's clock; a mere date is its midnight


@click.command("enable")
@click.argument("id", type=click.IntRange(1))
@click.option("--next", "next_time", metavar=TIME, help="Go on with what runs then or later. Default: now.")
@click.option("--run-missed", is_flag=True, help="Run everything that was missed, at once.")
@reason_option
@json_option
@server_options
def enable(server: Server, as_json: bool, id: int, next_time: str | None, run_missed: bool, reason: str | None) -> None:
    """Let a schedule fire again; what it missed is left out."""
    if run_missed and next_time is not None:
        raise click.UsageError("--next leaves out what --run-missed would run; give one of them")
    body: dict[str, Any] = {"skipSchedule": not run_missed}
    if next_time is not None:
        body["nextTime"] = with_time_of_day(next_time)
    if reason is not None:
        body["reason"] = reason

    async def ask() -> "Zoned":
        async with server.client() as client:
            return await zoned(client, await client.digdag.enable_schedule(id, body), as_json=as_json)

    _steered(ask(), as_json)


@click.command("disable")
@click.argument("id", type=click.IntRange(1))
@reason_option
@json_option
@server_options
def disable(server: Server, as_json: bool, id: int, reason: str | None) -> None:
    """Let a schedule fire no more; what runs goes on."""

    async def ask() -> "Zoned":
        async with server.client() as client:
            return await zoned(client, await client.digdag.disable_schedule(id, reason=reason), as_json=as_json)

    _steered(ask(), as_json)


@click.command("skip")
@click.argument("id", type=click.IntRange(1))
@click.option("--to", "nextTime", metavar=TIME, help="Go on with what runs then or later.")
@click.option("--count", type=click.IntRange(1), help="Leave out so many sessions, from --from on.")
@click.option("--from", "fromTime", metavar=TIME, help="Where --count begins.")
@click.option("--run-at", "nextRunTime", metavar=TIME, help="When the next session runs instead.")
@click.option("--dry-run", "dryRun", is_flag=True, help="Only say where it would stand.")
@reason_option
@json_option
@server_options
def skip(server: Server, as_json: bool, id: int, reason: str | None, **options: Any) -> None:
    """Leave sessions of a schedule out: up to a time, or a number of them."""
    body = {
        name: with_time_of_day(value) if isinstance(value, str) else value
        for name, value in options.items()
        if value is not None
    }
    if reason is not None:
        body["reason"] = reason

    async def ask() -> "Zoned":
        async with server.client() as client:
            return await zoned(client, await client.digdag.skip_schedule(id, body), as_json=as_json)

    _steered(ask(), as_json)


def _steered(work: "Coroutine[Any, Any, Zoned]", as_json: bool) -> None:
    print_schedule(run(work), as_json=as_json)


async def zoned(client: "Client", answer: "Answer", *, as_json: bool) -> "Zoned":
    """A schedule, with the zone in which people read it."""
    return answer, None if as_json else await zone_of(client, answer["workflow"])


def print_schedule(found: "Zoned", *, as_json: bool) -> None:
    """Where a schedule stands."""
    answer, zone = found
    if as_json:
        print_json(answer.data)
        return
    schedule = answer.data
    print_fields(
        {
            "id": schedule["id"],
            "project": f"{schedule['project']['name']} ({schedule['project']['id']})",
            "workflow": f"{schedule['workflow']['name']} ({schedule['workflow']['id']})",
            "next session": spelled(schedule["nextScheduleTime"]),
            "runs at": beside(schedule["nextRunTime"], schedule["nextScheduleTime"], zone),
            "disabled": beside(schedule["disabledAt"], schedule["nextScheduleTime"], zone),
        }
    )
