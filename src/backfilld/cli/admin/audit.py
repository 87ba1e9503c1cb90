"""`backfilld audit-log`: who did what, over HTTP."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from backfilld.cli.options import Server, json_option, limit_option, server_options
from backfilld.cli.output.printing import print_json
from backfilld.cli.running import run

Command = TypeVar("Command", bound=Callable[..., Any])


_FILTERS = (
    click.option("--who", "--actor", "who", help="key:<id> or its name, entra:<tenant>/<object id>, cli or system."),
    click.option("--action", help="As backfill.pause; backfill for all of that kind."),
    click.option("--subject", help="As backfill/<id> or workflow/<id>."),
    click.option("--since", metavar="INSTANT", help="At or after, as 2027-03-01T00:00:00Z."),
    click.option("--until", metavar="INSTANT", help="Before."),
)


def event_filters(command: Command) -> Command:
    """Which events of the log are wanted, be it all of it or a timeline."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.command("audit-log")
@event_filters
@limit_option
@json_option
@server_options
def command(server: Server, as_json: bool, limit: int, **filters: str | None) -> None:
    """See who did what, when and why, newest first. What the daemon did to a backfill: `backfills timeline`."""
    from backfilld.cli.output.audit_table import print_events

    async def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with server.client() as client:
            async for event in client.every("events", "/audit-log", page_size=min(limit, 200), **filters):
                found.append(event)
                if len(found) == limit:
                    break
        return found

    events = run(ask())
    if as_json:
        print_json({"events": events})
    else:
        print_events(events, with_subject=True)
