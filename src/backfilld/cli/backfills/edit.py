"""`backfills edit`: other settings for a backfill on its way."""

from typing import Any

import click

from backfilld.cli.backfills.create import date_option, limit_options
from backfilld.cli.inputs import read_windows
from backfilld.cli.naming import backfill_argument
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.backfill_text import backfill_fields
from backfilld.cli.output.printing import print_fields, print_json, print_warnings
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand

_LIMITS = ("starts_per_minute", "max_credits", "failure_policy", "slow_down", "recheck")
_COPIED = ("max_in_flight", "timezone", "max_attempts", *_LIMITS, "name", "reason")
_RESTORED = ("timezone", "excluded_dates", "max_attempts", *_LIMITS, "name", "daily_execution_windows")


@click.command("edit", cls=WholeCommand)
@backfill_argument
@click.option("--max-in-flight", type=int, help="Entities worked on at once.")
@click.option("--window", "windows", multiple=True, metavar="'DAYS HH:MM-HH:MM'", help="All windows anew. Repeatable.")
@click.option("--timezone", help="IANA name, of the windows.")
@date_option("--exclude-date", help="All excluded dates anew. Repeatable.")
@click.option("--max-attempts", type=int, help="Tries per entity.")
@limit_options
@click.option("--name", help="For people.")
@click.option(
    "--default",
    "defaults",
    multiple=True,
    type=click.Choice(_RESTORED),
    help="Restore this one's default (windows: only of kind schedule, always open). Repeatable.",
)
@click.option("--if-version", type=int, help="Only if it still has this version, as `show --json` tells it.")
@click.option("--reason", help="Kept in the audit trail.")
@json_option
@server_options
def edit(
    server: Server,
    as_json: bool,
    id: str,
    windows: tuple[str, ...],
    defaults: tuple[str, ...],
    if_version: int | None,
    **options: Any,
) -> None:
    """Change settings while it runs. Once this returns, every start obeys; what is in flight goes on."""
    changes = {name: options[name] for name in _COPIED if options[name] is not None}
    if windows:
        changes["daily_execution_windows"] = read_windows(windows)
    if options["excluded_dates"]:
        changes["excluded_dates"] = list(options["excluded_dates"])
    if both := sorted(changes.keys() & set(defaults)):
        raise click.UsageError(f"{both[0]} cannot be given and restored at once")
    changes |= dict.fromkeys(defaults)

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            answer = await client.edit_backfill(id, changes, version=if_version)
            print_warnings(answer.warnings)
            return answer.data

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_fields(backfill_fields(data["backfill"]))
