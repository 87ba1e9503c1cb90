"""`backfilld attempts …`: runs of sessions, over HTTP."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from backfilld.cli.inputs import JsonObject
from backfilld.cli.options import Server, json_option, limit_option, server_options
from backfilld.cli.output.printing import (
    beside,
    compact,
    print_fields,
    print_json,
    print_table,
    print_warnings,
    spelled,
)
from backfilld.cli.output.times import with_offset, zone_of
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup

if TYPE_CHECKING:
    from backfilld.client import Answer, Client

ID = click.IntRange(1)


@click.group("attempts", cls=WholeGroup)
def group() -> None:
    """See, start and kill runs of sessions, and what they printed."""


@group.command("list")
@click.option("--project", help="Name of a project.")
@click.option("--workflow", help="Name of a workflow of that project.")
@click.option("--retried", is_flag=True, help="All attempts, and not only the last one of each session.")
@limit_option
@json_option
@server_options
def list_(server: Server, as_json: bool, retried: bool, limit: int, **query: str | None) -> None:
    """List attempts, newest first."""

    async def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with server.client() as client:
            pages = client.digdag.every("attempts", "/attempts", page_size=limit, include_retried=retried, **query)
            async for attempt in pages:
                found.append(attempt)
                if len(found) == limit:
                    break
        return found

    attempts = run(ask())
    if as_json:
        print_json({"attempts": attempts})
        return
    rows = [
        (
            attempt["id"],
            attempt["status"],
            attempt["project"]["name"],
            attempt["workflow"]["name"],
            spelled(attempt["sessionTime"]),
            attempt["retryAttemptName"],
        )
        for attempt in attempts
    ]
    print_table(("ID", "STATUS", "PROJECT", "WORKFLOW", "SESSION", "NAME"), rows, empty="No attempts.")


@group.command("show")
@click.argument("id", type=ID)
@json_option
@server_options
def show(server: Server, as_json: bool, id: int) -> None:
    """Show an attempt."""

    async def ask() -> "tuple[Answer, str | None]":
        async with server.client() as client:
            return await _zoned(client, await client.digdag.get_attempt(id), as_json)

    _print(run(ask()), as_json)


@group.command("start")
@click.argument("workflow", metavar="WORKFLOW")
@click.option("--session", "time", metavar="TIME", required=True, help="With an offset, or by the workflow's clock.")
@click.option("--name", help="Another name is another attempt of the same session. Default: unnamed.")
@click.option("--params", type=JsonObject(), help="JSON, or @FILE.")
@json_option
@server_options
def start(
    server: Server, as_json: bool, workflow: str, time: str, name: str | None, params: dict[str, Any] | None
) -> None:
    """Run WORKFLOW (id, name or PROJECT/NAME) for one session time."""
    from backfilld.cli.output.workflow_lookup import workflow_id

    async def ask() -> "tuple[Answer, str | None]":
        async with server.client() as client:
            id = await workflow_id(client, workflow)
            body = {
                "workflowId": id,
                "sessionTime": await with_offset(client, id, time, "--session"),
                "params": params or {},
            }
            named = body if name is None else body | {"retryAttemptName": name}
            return await _zoned(client, await client.digdag.start_attempt(named), as_json)

    _print(run(ask()), as_json)


@group.command("retry")
@click.argument("id", type=ID)
@click.option("--name", help="Of the new attempt. Default: a new UUID.")
@click.option("--params", type=JsonObject(), help="Put over those of the old attempt.")
@json_option
@server_options
def retry(server: Server, as_json: bool, id: int, name: str | None, params: dict[str, Any] | None) -> None:
    """Run the session of an attempt again, under another name."""

    async def ask() -> "tuple[Answer, str | None]":
        async with server.client() as client:
            old = await client.digdag.get_attempt(id)
            body = {
                "workflowId": int(old["workflow"]["id"]),
                "sessionTime": old["sessionTime"],
                "params": old["params"] | (params or {}),
                "retryAttemptName": name or str(uuid4()),
            }
            return await _zoned(client, await client.digdag.start_attempt(body), as_json)

    _print(run(ask()), as_json)


@group.command("kill")
@click.argument("id", type=ID)
@json_option
@server_options
def kill(server: Server, as_json: bool, id: int) -> None:
    """Kill an attempt: what waits at once, what runs as soon as it is cut off."""

    async def ask() -> "tuple[Answer, str | None]":
        async with server.client() as client:
            return await _zoned(client, await client.digdag.kill_attempt(id), as_json)

    _print(run(ask()), as_json)


@group.command("log")
@click.argument("id", type=ID)
@json_option
@server_options
def log(server: Server, as_json: bool, id: int) -> None:
    """Print what an attempt printed, or its target answered, try after try."""

    async def ask() -> list[dict[str, Any]]:
        async with server.client() as client:
            files = (await client.digdag.list_log_files(id))["files"]
            return [{**file, "text": await client.digdag.read_log(id, file["fileName"])} for file in files]

    files = run(ask())
    if as_json:
        print_json({"files": files})
        return
    if not files:
        click.echo("No log.", err=True)
    for file in files:
        click.echo(file["text"], nl=not file["text"].endswith("\n"))


async def _zoned(client: "Client", answer: "Answer", as_json: bool) -> "tuple[Answer, str | None]":
    """With the zone in which people read it."""
    return answer, None if as_json else await zone_of(client, answer["workflow"])


def _print(found: "tuple[Answer, str | None]", as_json: bool) -> None:
    answer, zone = found
    print_warnings(answer.warnings)
    if as_json:
        print_json(answer.data)
        return
    attempt = answer.data
    print_fields(
        {
            "id": attempt["id"],
            "status": attempt["status"],
            "project": attempt["project"]["name"],
            "workflow": attempt["workflow"]["name"],
            "session": f"{spelled(attempt['sessionTime'])} ({attempt['sessionId']})",
            "name": attempt["retryAttemptName"] or None,
            "params": compact(attempt["params"]) if attempt["params"] else None,
            "created": beside(attempt["createdAt"], attempt["sessionTime"], zone),
            "finished": beside(attempt["finishedAt"], attempt["sessionTime"], zone),
        }
    )
