"""`backfilld windows preview`: when something might run."""

from typing import Any

import click

from backfilld.cli.inputs import read_windows
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.backfill_text import window_lines
from backfilld.cli.output.printing import local, print_fields, print_json, print_table, print_warnings, spelled
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("windows", cls=WholeGroup)
def group() -> None:
    """See what daily windows come to."""


@group.command("preview")
@click.option("--window", "windows", multiple=True, required=True, metavar="DAYS FROM-TO", help="As for `create`.")
@click.option("--timezone", help="IANA name.  [default: UTC]")
@click.option("--exclude-date", "excluded", multiple=True, metavar="DATE", help="Not on this day. Repeatable.")
@click.option("--at", metavar="INSTANT", help="From then on.  [default: now]")
@click.option("--days", type=click.IntRange(1, 400), help="So many.  [default: 7]")
@json_option
@server_options
def preview(
    server: Server, as_json: bool, windows: tuple[str, ...], timezone: str | None, excluded: tuple[str, ...],
    at: str | None, days: int | None,
) -> None:  # fmt: skip
    """Show when windows are open, with what clock changes do to them."""
    body: dict[str, Any] = {"daily_execution_windows": read_windows(windows)}
    more = {"timezone": timezone, "excluded_dates": list(excluded) or None, "at": at, "days": days}
    body |= {name: value for name, value in more.items() if value is not None}

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            answer = await client.preview_windows(body)
            print_warnings(answer.warnings)
            return answer.data

    data = run(ask())
    if as_json:
        print_json(data)
        return
    notes = [note if isinstance(note, str) else str(note.get("message")) for note in data["notes"]]
    print_fields(
        {
            "now": "open" if data["open"] else "closed",
            "closes": local(data["closes_at"], timezone),
            "next opening": local(data["next_open_at"], timezone),
            "windows": window_lines(data["effective_windows"]) or "never",
            "notes": "\n".join(notes) or None,
        }
    )
    click.echo()
    rows = [(spelled(one["opens_at_local"]), spelled(one["closes_at_local"])) for one in data["intervals"]]
    print_table(("OPENS", "CLOSES"), rows, empty="It is not open in that time.")
