"""`backfilld projects …`: workflows in `.dig` files, looked through before a push, and pushed."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from backfilld.cli.options import Server, config_option, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_json, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup

if TYPE_CHECKING:
    from backfilld.projects import ProjectFault, PushedWorkflow
    from backfilld.projects.needs import Needs

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group("projects", cls=WholeGroup)
def group() -> None:
    """Check and push workflows in .dig files."""


@group.command("check")
@click.argument("folder", metavar="DIR", type=FOLDER)
@json_option
@config_option
def check(folder: Path, config: Path | None, as_json: bool) -> None:
    """Say what a push of DIR would find wrong, as FILE:LINE: what, and what each file needs that is not here.

    The configuration says what is allowed. Exit code 1 if anything does not run here.
    """
    from backfilld.projects.needs import ADVICE

    workflows, faults, needs = _looked_through(folder, config)
    bad = {fault.file for fault in faults}
    if as_json:
        shown = [{"file": fault.file, "line": fault.line, "message": fault.message} for fault in faults]
        files = [_as_json(each, runs_here=each.file not in bad) for each in needs]
        names = [workflow.name for workflow in workflows]
        print_json({"ok": not faults, "workflows": names, "faults": shown, "files": files, "advice": ADVICE})
    elif faults:
        for fault in faults:
            click.echo(fault, err=True)
        rows = [
            (each.file, "no" if each.file in bad else "yes", ", ".join(each.words()) or _as_said(each.file in bad))
            for each in needs
        ]
        print_table(("FILE", "RUNS HERE", "NEEDS"), rows)
        click.echo(f"{sum(row[1] == 'yes' for row in rows)} of {len(rows)} run here. {ADVICE}")
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


def _as_said(is_bad: bool) -> str:
    return "what is said of it above" if is_bad else ""


def _as_json(needs: "Needs", *, runs_here: bool) -> dict[str, object]:
    return {
        "file": needs.file,
        "runs_here": runs_here,
        "tasks": needs.tasks,
        "operators": dict(needs.operators),
        "others": needs.others,
    }


def _looked_through(
    folder: Path, config: Path | None
) -> "tuple[list[PushedWorkflow], tuple[ProjectFault, ...], list[Needs]]":
    from backfilld.app.engine_parts import definition_rules
    from backfilld.config import load_settings
    from backfilld.projects import ProjectInvalid, read_files
    from backfilld.projects.archives import ArchiveLimits, unpacked
    from backfilld.projects.needs import needs_of
    from backfilld.projects.packing import packed_folder

    rules = definition_rules(load_settings(config))
    try:
        found = unpacked(packed_folder(folder), ArchiveLimits())
    except ProjectInvalid as problem:
        return [], problem.faults, []
    needs = [needs_of(file, text, found.others) for file, text in sorted(found.workflows.items())]
    try:
        return read_files(found.workflows, folder.resolve().name, rules, others=found.others), (), needs
    except ProjectInvalid as problem:
        return [], problem.faults, needs
