"""`backfilld status`: how the installation is, and what of it needs somebody."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import local, number, print_fields, print_json, print_table
from backfilld.cli.running import run


@click.command("status")
@json_option
@server_options
def command(server: Server, as_json: bool) -> None:
    """Show how the installation is: its daemons and database, whether everything is stopped, what needs somebody."""

    async def ask() -> tuple[dict[str, Any], dict[str, int]]:
        async with server.client() as client:
            listed = await client.list_backfills(page_size=1)
            return (await client.get_system()).data["system"], (listed.meta.get("counts") or {})

    system, counts = run(ask())
    if as_json:
        print_json({"system": system, "backfills": counts})
        return
    _print(system, counts)


def _print(system: dict[str, Any], counts: dict[str, int]) -> None:
    stop, database = system["stop"], system["database"]
    wrong = [f"{one['name']}: {one['message']}" for one in system["checks"] if not one["ok"]]
    why = f": “{stop['reason']}”" if stop["reason"] else ""
    print_fields(
        {
            "daemon": "ready" if system["ready"] else "not ready",
            "wrong": "\n".join(wrong) or None,
            "stopped": f"since {local(stop['since'])} by {stop['by']}{why}" if stop["stopped"] else None,
            "backfills": ", ".join(f"{number(count)} {group}" for group, count in counts.items()) or None,
            "version": f"{system['version']}, started {local(system['started_at'])}",
            "python": system["python"],
            "time zones": system["tzdata"],
            "database": f"{database['name']}, PostgreSQL {database['version']}, {database['size_bytes'] / 1e6:,.0f} MB,"
            f" answers in {database['latency_ms']:g} ms",
        }
    )
    click.echo()
    rows = [
        (one["instance"][:8], one["process"], one["backfills"], one["attempts"], one["in_flight"])
        for one in system["daemons"]
    ]
    print_table(("DAEMON", "PROCESS", "BACKFILLS", "ATTEMPTS", "IN FLIGHT"), rows)
