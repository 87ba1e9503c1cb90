"""`backfilld projects …`: workflows in `.dig` files, looked through before a push, and pushed."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from backfilld.cli.options import Server, config_option, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_json
from backfilld.cli.running import run

if TYPE_CHECKING:
    from backfilld.projects import ProjectFault, PushedWorkflow

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group("projects")
def group() -> None:
    """Check and push workflows in .dig files."""


@group.command("check")
@click.argument("folder", metavar="DIR", type=FOLDER)
@json_option
@config_option
def check(folder: Path, config: Path | None, as_json: bool) -> None:
    """Say what a push of DIR would find wrong, as FILE:LINE: what. The configuration says what is allowed."""
    workflows, faults = _looked_through(folder, config)
    if as_json:
        shown = [{"file": fault.file, "line": fault.line, "message": fault.message} for fault in faults]
        print_json({"ok": not faults, "workflows": [workflow.name for workflow in workflows], "faults": shown})
    elif faults:
        for fault in faults:
            click.echo(fault, err=True)
    else:
        click.echo(f"{folder} is all right: {', '.join(workflow.name for workflow in workflows)}.")
    if faults:
        raise click.exceptions.Exit(exit_codes.ERROR)


@group.command("push")
@click.argument("name", metavar="NAME")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--revision", help="Name of this push; left out: a new UUID.")
@click.option("--schedule-from", metavar="INSTANT", help="Where schedules begin that have not fired yet.")
@click.option("--run-missed", is_flag=True, help="A changed schedule starts what should have run since it last fired.")
@json_option
@server_options
def push(
    name: str,
    folder: Path,
    revision: str | None,
    schedule_from: str | None,
    run_missed: bool,
    server: Server,
    as_json: bool,
) -> None:
    """Push DIR as the project NAME. All of it, or nothing if anything in it is wrong."""
    from backfilld.projects.packing import packed_folder

    archive = packed_folder(folder)
    query = {"project": name, "revision": revision or str(uuid4()), "schedule_from": schedule_from}
    query["skip_schedule"] = "false" if run_missed else None

    async def send() -> dict[str, object]:
        async with server.client() as client:
            return (await client.push_project(archive, **query)).data

    project = run(send())
    if as_json:
        print_json({"project": project})
    else:
        click.echo(f"Pushed {project['name']} (project {project['id']}), revision {project['revision']}.")


def _looked_through(folder: Path, config: Path | None) -> "tuple[list[PushedWorkflow], tuple[ProjectFault, ...]]":
    from backfilld.app.engine_parts import definition_rules
    from backfilld.config import load_settings
    from backfilld.projects import ProjectInvalid, read_archived_project
    from backfilld.projects.archives import ArchiveLimits
    from backfilld.projects.packing import packed_folder

    rules = definition_rules(load_settings(config))
    try:
        return read_archived_project(packed_folder(folder), folder.resolve().name, rules, ArchiveLimits()), ()
    except ProjectInvalid as problem:
        return [], problem.faults
