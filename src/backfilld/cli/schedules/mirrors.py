"""`backfilld schedules mirror …`: schedules of an engine, made known here, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import local, print_json, print_table
from backfilld.cli.running import run


@click.command("mirror")
@click.option("--engine", required=True, help="An engine of the configuration, of type digdag.")
@click.option("--project", required=True, help="The project there.")
@click.option("--workflow", required=True, help="The workflow there.")
@click.option("--as", "here", metavar="PROJECT", help="The project here. Default: of the same name.")
@json_option
@server_options
def mirror(server: Server, as_json: bool, engine: str, project: str, workflow: str, here: str | None) -> None:
    """Make the schedule of a workflow of an engine known here, so that it can be backfilled. It never fires here."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.create_mirror(engine, project, workflow, here=here)).data)

    made = run(ask())["mirror"]
    if as_json:
        print_json({"mirror": made})
    else:
        click.echo(f"Schedule {made['schedule_id']} mirrors {workflow} of {project} on {engine}.")


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
@server_options
def unmirror(server: Server, id: int) -> None:
    """Forget the mirror ID. Its workflow here is hidden; nothing changes on the engine."""

    async def ask() -> None:
        async with server.client() as client:
            await client.delete_mirror(id)

    run(ask())
    click.echo(f"Mirror {id} is forgotten.")
