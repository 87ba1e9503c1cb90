"""`backfilld sessions …`: what was run of each slot of time, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, limit_option, server_options
from backfilld.cli.output.printing import beside, print_fields, print_json, print_table, spelled
from backfilld.cli.output.times import zone_of
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("sessions", cls=WholeGroup)
def group() -> None:
    """See what was run of each slot of time, attempt by attempt."""


@group.command("list")
@click.option("--project", type=int, help="Id of a project.")
@click.option("--workflow", help="Name of a workflow of that project.")
@limit_option
@json_option
@server_options
def list_(server: Server, as_json: bool, project: int | None, workflow: str | None, limit: int) -> None:
    """List sessions, newest first, and how the last attempt of each went."""
    if workflow is not None and project is None:
        raise click.UsageError("--workflow needs --project")
    path = "/sessions" if project is None else f"/projects/{project}/sessions"

    async def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with server.client() as client:
            async for session in client.digdag.every("sessions", path, page_size=limit, workflow=workflow):
                found.append(session)
                if len(found) == limit:
                    break
        return found

    sessions = run(ask())
    if as_json:
        print_json({"sessions": sessions})
        return
    rows = [
        (one["id"], one["project"]["name"], one["workflow"]["name"], spelled(one["sessionTime"]), *_last(one))
        for one in sessions
    ]
    print_table(("ID", "PROJECT", "WORKFLOW", "SESSION", "LAST ATTEMPT", "STATUS"), rows, empty="No sessions.")


def _last(session: dict[str, Any]) -> tuple[str | None, str | None]:
    last = session["lastAttempt"] or {}
    return last.get("id"), last.get("status")


@group.command("show")
@click.argument("id", type=click.IntRange(1))
@json_option
@server_options
def show(server: Server, as_json: bool, id: int) -> None:
    """Show a session with all its attempts; ID is the session's, as `attempts show` names it."""

    async def ask() -> tuple[dict[str, Any], str | None]:
        async with server.client() as client:
            session = dict((await client.digdag.get_session(id)).data)
            path = f"/sessions/{id}/attempts"
            session["attempts"] = [one async for one in client.digdag.every("attempts", path)]
            return session, None if as_json else await zone_of(client, session["workflow"])

    session, zone = run(ask())
    if as_json:
        print_json(session)
        return
    time = session["sessionTime"]
    print_fields(
        {
            "id": session["id"],
            "project": session["project"]["name"],
            "workflow": session["workflow"]["name"],
            "session": spelled(time),
        }
    )
    click.echo()
    rows = [
        (one["id"], one["status"], one["retryAttemptName"] or None, beside(one["createdAt"], time, zone),
         beside(one["finishedAt"], time, zone))
        for one in session["attempts"]
    ]  # fmt: skip
    print_table(("ATTEMPT", "STATUS", "NAME", "CREATED", "FINISHED"), rows, empty="No attempts.")
