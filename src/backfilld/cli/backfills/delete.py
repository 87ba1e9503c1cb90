"""`backfilld backfills delete`: what cannot be taken back, so it shows what would go and asks first."""

from typing import Any

import click

from backfilld.cli.naming import backfill_argument
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.backfill_text import counts, status
from backfilld.cli.output.printing import number, print_json, print_prose
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand


@click.command("delete", cls=WholeCommand)
@backfill_argument
@click.option("--reason", help="Kept in the audit log, which is all that is left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@server_options
def delete(server: Server, as_json: bool, id: str, reason: str | None, yes: bool) -> None:
    """Delete an ended backfill: settings, plan and outcomes. The audit log keeps what it was, and its digest."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            found: dict[str, Any] = (await client.get_backfill(id)).data["backfill"]
            return found

    async def act() -> None:
        async with server.client() as client:
            await client.delete_backfill(id, reason=reason)

    if not yes:
        click.confirm(f"{_told(run(ask()))}\nDelete it for good?", abort=True, err=True)
    run(act())
    if as_json:
        print_json({"deleted": id})
        return
    print_prose(f"{id}: deleted; `backfilld backfills timeline {id}` says what it was")


def _told(backfill: dict[str, Any]) -> str:
    name = f" {backfill['name']!r}" if backfill.get("name") else ""
    of = f"{number(backfill['total_entities'])} {backfill['entity_type'] or 'session'} items"
    return f"{backfill['id']}{name}: {status(backfill)}, {of}, {counts(backfill)}"
