"""`backfilld backfills entities`: the ledger, and one item of it."""

from typing import Any

import click

from backfilld.cli.naming import backfill_argument, zone_of
from backfilld.cli.options import Server, json_option, limit_option, server_options
from backfilld.cli.output.printing import compact, duration, local, print_fields, print_json, print_prose, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand

OUTCOMES = ("pending", "in_flight", "retrying", "succeeded", "failed", "skipped", "cancelled")
STANDINGS = {
    "as_sent": "What its target was sent",
    "as_planned": "What its target will be sent",
    "as_now": "As its source has it now, which need not be what was sent",
}


@click.command("entities", cls=WholeCommand)
@backfill_argument
@click.option("--status", type=click.Choice(OUTCOMES), help="Only these.")
@click.option("--error-class", help="As `backfills errors` names it.")
@click.option("--error-group", help="As `backfills errors --json` names it.")
@click.option("--ids-only", is_flag=True, help="Only ids, a line each.")
@limit_option
@json_option
@server_options
def entities(server: Server, as_json: bool, id: str, ids_only: bool, limit: int, **query: str | None) -> None:
    """List its entities in plan order: what became of each, after how many tries, and why."""

    async def ask() -> tuple[list[dict[str, Any]], str | None]:
        found: list[dict[str, Any]] = []
        async with server.client() as client:
            zone = await zone_of(client, id)
            path = f"/backfills/{id}/entities"
            async for one in client.every("entities", path, page_size=min(limit, 200), **query):
                found.append(one)
                if len(found) == limit:
                    break
        return found, zone

    entries, zone = run(ask())
    if as_json:
        print_json({"entities": entries})
    elif ids_only:
        for one in entries:
            click.echo(one["entity_id"])
    else:
        print_table(
            ("ENTITY", "STATUS", "TRIES", "ENDED", "TOOK", "SAID"),
            [_cells(one, zone) for one in entries],
            empty="No entity of that kind.",
        )


def _cells(one: dict[str, Any], zone: str | None) -> tuple[object, ...]:
    took = None if one["duration_ms"] is None else duration(one["duration_ms"] / 1000)
    said = one["error"] or one["message"] or one["skip_reason"]
    return one["entity_id"], one["status"], one["attempts"], local(one["finished_at"], zone), took, said


@click.command("entity", cls=WholeCommand)
@backfill_argument
@click.argument("entity_id", metavar="ENTITY")
@click.option("--attributes", "with_attributes", is_flag=True, help="Also what its target was, or will be, sent.")
@json_option
@server_options
def entity(server: Server, as_json: bool, id: str, entity_id: str, with_attributes: bool) -> None:
    """Show one of its entities, with every try."""

    async def ask() -> tuple[dict[str, Any], str | None]:
        async with server.client() as client:
            zone = await zone_of(client, id)
            data = dict((await client.get_ledger_item(id, entity_id)).data)
            if with_attributes:
                data["attributes"] = (await client.get_attributes(id, entity_id)).data
            return data, zone

    data, zone = run(ask())
    if as_json:
        print_json(data)
        return
    one = data.get("entity", data)
    print_fields(
        {
            "entity": one["entity_id"],
            "position": one["position"],
            "status": one["status"],
            "started": local(one["started_at"], zone),
            "ended": local(one["finished_at"], zone),
            "message": one["message"],
            "error": one["error"],
            "class": one["error_class"],
            "skipped for": one["skip_reason"],
            "credits": one["credits"],
            "result": compact(one["result"]),
        }
    )
    if with_attributes:
        _print_attributes(data["attributes"], zone)
    if one.get("tries"):
        click.echo()
        rows = [
            (each["attempt"], local(each["started_at"], zone), local(each["finished_at"], zone), each["error_class"],
             each["http_status"], each["error"])
            for each in one["tries"]
        ]  # fmt: skip
        print_table(("TRY", "STARTED", "ENDED", "CLASS", "HTTP", "ERROR"), rows)


def _print_attributes(told: dict[str, Any], zone: str | None) -> None:
    click.echo()
    print_prose(f"{STANDINGS[told['standing']]}, read {local(told['read_at'], zone)}")
    if told["attributes"] is None:
        click.echo("  its source has no such entity any more")
    for name, value in (told["attributes"] or {}).items():
        print_prose(f"  {name}: {value if isinstance(value, str) else compact(value)}", indent=4)
