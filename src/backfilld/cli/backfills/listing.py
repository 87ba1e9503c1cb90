"""`backfilld backfills list`."""

import sys
from typing import Any, get_args

import click

from backfilld.cli.options import Server, json_option, limit_option, server_options
from backfilld.cli.output.backfill_text import share, status, why
from backfilld.cli.output.printing import local, number, print_json, print_table, short_id
from backfilld.cli.running import run
from backfilld.domain.backfills.holding import Group
from backfilld.domain.backfills.states import Status


@click.command("list")
@click.option("--status", multiple=True, type=click.Choice([str(status) for status in Status]), help="Repeatable.")
@click.option("--kind", type=click.Choice(["entities", "schedule"]), help="Over what they run.")
@click.option("--entity-type", help="Only of this type.")
@click.option("--workflow", help="Id or name.")
@click.option("--created-by", help="As `show` names who made it.")
@click.option("--group", type=click.Choice(get_args(Group)), help="attention: what needs a person.")
@click.option("--search", "q", help="In name, workflow or entity type, or the beginning of an id.")
@limit_option
@json_option
@server_options
def list_(server: Server, as_json: bool, limit: int, workflow: str | None, **query: Any) -> None:
    """List backfills, newest first."""
    from backfilld.cli.output.workflow_lookup import workflow_id

    async def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with server.client() as client:
            target = None if workflow is None else await workflow_id(client, workflow)
            filters = query | {"status": list(query["status"]), "target_workflow_id": target}
            async for backfill in client.every("backfills", "/backfills", page_size=min(limit, 200), **filters):
                found.append(backfill)
                if len(found) == limit:
                    break
        return found

    backfills = run(ask())
    if as_json:
        print_json({"backfills": backfills})
        return
    if sys.stdout.isatty():
        from backfilld.cli.output.fitted import is_narrow

        if is_narrow():
            _list_narrow(backfills)
            return
    header = ("ID", "STATUS", "WHY", "WORKFLOW", "TYPE", "DONE", "FAILED", "CREATED", "NAME")
    rows = [
        (
            short_id(backfill["id"]),
            status(backfill),
            why(backfill),
            backfill["target_workflow_name"],
            backfill["entity_type"] or "sessions",
            share(backfill),
            number(backfill["failed_count"]),
            local(backfill["created_at"], backfill.get("timezone")),
            backfill.get("name"),
        )
        for backfill in backfills
    ]
    print_table(header, rows, empty="No backfills.")


def _list_narrow(backfills: list[dict[str, Any]]) -> None:
    rows = [
        (
            short_id(one["id"]),
            one.get("name") or one["target_workflow_name"],
            status(one),
            (one.get("status_reason") or {}).get("code"),
            share(one),
            one["failed_count"] or None,
        )
        for one in backfills
    ]
    print_table(("ID", "NAME", "STATUS", "WHY", "DONE", "FAILED"), rows, empty="No backfills.")
