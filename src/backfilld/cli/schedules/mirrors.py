"""`backfilld schedules mirror …`: schedules of an engine, made known here, over HTTP."""

from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import local, print_json, print_table
from backfilld.cli.running import run

if TYPE_CHECKING:
    from backfilld.client import Client


@click.command("mirror")
@click.option("--engine", required=True, help="An engine of the configuration, of type digdag.")
@click.option("--project", help="The project there.")
@click.option("--workflow", help="The workflow there. Left out: every one of the project that has a schedule.")
@click.option("--all", "every", is_flag=True, help="Every schedule there.")
@click.option("--as", "here", metavar="PROJECT", help="The project here. Default: of the same name.")
@json_option
@server_options
def mirror(
    server: Server, as_json: bool, engine: str, project: str | None, workflow: str | None, every: bool, here: str | None
) -> None:
    """Make schedules of an engine known here, so that they can be backfilled. They never fire here."""
    if every is (project is not None):
        raise click.UsageError("give either --project or --all")
    if every and (workflow or here):
        raise click.UsageError("--workflow and --as go with --project")

    async def ask() -> list[dict[str, Any]]:
        async with server.client() as client:
            if project is not None and workflow is not None:
                made = (await client.create_mirror(engine, project, workflow, here=here))["mirror"]
                return [{"project": project, "workflow": workflow, "schedule_id": made["schedule_id"], "problem": None}]
            there = (await client.list_engine_schedules(engine, project=project))["schedules"]
            return [await _mirrored(client, engine, one, here) for one in there]

    made = run(ask())
    if as_json:
        print_json({"mirrors": made})
    else:
        rows = [[one["schedule_id"], f"{one['project']}/{one['workflow']}", one["problem"]] for one in made]
        print_table(["SCHEDULE", "MIRRORS", "PROBLEM"], rows, empty="There is no schedule.")
    if any(one["problem"] for one in made):
        raise SystemExit(exit_codes.ERROR)


async def _mirrored(client: "Client", engine: str, one: dict[str, Any], here: str | None) -> dict[str, Any]:
    """What became of one of many; one that is mirrored already stays as it is."""
    from backfilld.client import ApiError

    named = {"project": one["project"], "workflow": one["workflow"]}
    if one["schedule_id"] is not None:
        return {**named, "schedule_id": one["schedule_id"], "problem": None}
    try:
        made = (await client.create_mirror(engine, one["project"], one["workflow"], here=here))["mirror"]
    except ApiError as problem:
        return {**named, "schedule_id": None, "problem": problem.message}
    return {**named, "schedule_id": made["schedule_id"], "problem": None}


@click.command("mirrors")
@json_option
@server_options
def mirrors(server: Server, as_json: bool) -> None:
    """See the schedules of engines that are known here, and how old what is known of them is."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.list_mirrors()).data)

    data = run(ask())
    if as_json:
        print_json(data)
        return
    rows = [
        [one["id"], one["schedule_id"], one["engine"], f"{one['project']}/{one['workflow']}", local(one["read_at"]),
         one["problem"]]
        for one in data["mirrors"]
    ]  # fmt: skip
    print_table(["MIRROR", "SCHEDULE", "ENGINE", "WORKFLOW THERE", "READ", "PROBLEM"], rows, empty="None.")


@click.command("unmirror")
@click.argument("id", type=click.IntRange(1))
@json_option
@server_options
def unmirror(server: Server, as_json: bool, id: int) -> None:
    """Forget the mirror ID. Its workflow here is hidden; nothing changes on the engine."""

    async def ask() -> None:
        async with server.client() as client:
            await client.delete_mirror(id)

    run(ask())
    if as_json:
        print_json({"forgotten": id})
    else:
        click.echo(f"Mirror {id} is forgotten.")
