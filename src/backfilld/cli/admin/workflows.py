"""`backfilld workflows …`: what can be run, and changing it, over HTTP."""

from typing import Any

import click

from backfilld.cli.inputs import JsonObject
from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output.printing import compact, local, print_fields, print_json, print_table, print_warnings
from backfilld.cli.output.workflow_lookup import workflow_id
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup

named = click.argument("workflow")


@click.group("workflows", cls=WholeGroup)
def group() -> None:
    """See and change what can be run."""


@group.command("list")
@json_option
@server_options
def list_(server: Server, as_json: bool) -> None:
    """List workflows, with the ids that `backfills create --workflow` takes."""

    async def ask() -> list[dict[str, Any]]:
        async with server.client() as client:
            return [workflow async for workflow in client.every("workflows", "/workflows")]

    workflows = run(ask())
    if as_json:
        print_json({"workflows": workflows})
        return
    rows = [
        (
            workflow["id"],
            workflow["project"],
            workflow["name"],
            (workflow.get("executor") or {}).get("type"),
            "yes" if workflow.get("enabled", True) else "no",
            workflow.get("managed_by"),
        )
        for workflow in workflows
    ]
    print_table(("ID", "PROJECT", "NAME", "EXECUTOR", "ENABLED", "MANAGED BY"), rows, empty="No workflows.")


@group.command("show")
@named
@json_option
@server_options
def show(server: Server, as_json: bool, workflow: str) -> None:
    """Show one, by id, name or PROJECT/NAME."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return (await client.get_workflow(await workflow_id(client, workflow))).data

    _print(run(ask()), as_json)


@group.command("create")
@click.argument("definition", type=JsonObject())
@json_option
@server_options
def create(server: Server, as_json: bool, definition: dict[str, Any]) -> None:
    """Make one of DEFINITION: JSON, @FILE or @- (standard input), as for POST /public-api/workflows."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            answer = await client.create_workflow(definition)
            print_warnings(answer.warnings)
            return answer.data

    _print(run(ask()), as_json)


@group.command("edit")
@named
@click.argument("changes", type=JsonObject())
@reason_option
@json_option
@server_options
def edit(server: Server, as_json: bool, workflow: str, changes: dict[str, Any], reason: str | None) -> None:
    """Change the fields that CHANGES (JSON, @FILE or @-) names; null restores a default. Backfills keep theirs."""
    _print(run(_patch(server, workflow, changes, reason)), as_json)


@group.command("enable")
@named
@reason_option
@json_option
@server_options
def enable(server: Server, as_json: bool, workflow: str, reason: str | None) -> None:
    """Let backfills of it go on, and new ones be made."""
    _print(run(_patch(server, workflow, {"enabled": True}, reason)), as_json)


@group.command("disable")
@named
@click.option("--reason", help="Shown beside the backfills that it holds, and kept in the audit trail.")
@json_option
@server_options
def disable(server: Server, as_json: bool, workflow: str, reason: str | None) -> None:
    """Start nothing of it any more; its backfills wait."""
    _print(run(_patch(server, workflow, {"enabled": False}, reason)), as_json)


@group.command("delete")
@named
@click.option("--yes", is_flag=True, help="Do not ask.")
@reason_option
@json_option
@server_options
def delete(server: Server, as_json: bool, workflow: str, yes: bool, reason: str | None) -> None:
    """Delete it. Its backfills and their ledgers stay."""
    if not yes:
        click.confirm(f"Delete the workflow {workflow}?", abort=True, err=True)

    async def ask() -> int:
        async with server.client() as client:
            id = await workflow_id(client, workflow)
            await client.delete_workflow(id, reason=reason)
            return id

    id = run(ask())
    if as_json:
        print_json({"id": id})
    else:
        click.echo(f"{workflow} is deleted.")


async def _patch(server: Server, workflow: str, changes: dict[str, Any], reason: str | None) -> dict[str, Any]:
    if reason is not None:
        changes = changes | {"reason": reason}
    async with server.client() as client:
        answer = await client.edit_workflow(await workflow_id(client, workflow), changes)
        print_warnings(answer.warnings)
        return answer.data


def _print(data: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(data)
        return
    one = data["workflow"]
    print_fields(
        {
            "id": one["id"],
            "name": f"{one['project']}/{one['name']}",
            "enabled": "yes" if one["enabled"] else "no",
            "managed by": one["managed_by"],
            "executor": compact(one["executor"]),
            "timezone": one["timezone"],
            "schedule": compact(one["schedule"]),
            "credits": one["credits_per_entity"],
            "max attempts": one["max_attempts"],
            "timeout": f"{one['timeout_seconds']:g} s",
            "version": one["version"],
            "changed": local(one["updated_at"]),
        }
    )
