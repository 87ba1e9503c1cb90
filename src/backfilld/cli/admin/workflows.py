"""`backfilld workflows …`: what can be run, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import print_json, print_table
from backfilld.cli.running import run


@click.group("workflows")
def group() -> None:
    """See what can be run."""


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
