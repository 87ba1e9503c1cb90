"""`backfilld stop-all` and `backfilld start-all`: one order for everything, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output.printing import print_json, print_prose, print_warnings
from backfilld.cli.running import run


@click.command("stop-all")
@click.option("--reason", help="Shown beside everything that it holds, and kept in the audit trail.")
@json_option
@server_options
def stop_all(server: Server, as_json: bool, reason: str | None) -> None:
    """Start nothing any more, in any daemon on the database; what is in flight ends. Once this returns, nothing starts.

    Every backfill keeps its status and goes on after `start-all`. The order outlives restarts.
    """
    _order(server, as_json, "stop_all", reason)


@click.command("start-all")
@reason_option
@json_option
@server_options
def start_all(server: Server, as_json: bool, reason: str | None) -> None:
    """Take back `stop-all`, or the stop of `serve --paused`."""
    _order(server, as_json, "start_all", reason)


def _order(server: Server, as_json: bool, verb: str, reason: str | None) -> None:
    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            answer = await (client.stop_all if verb == "stop_all" else client.start_all)(reason=reason)
            print_warnings(answer.warnings)
            return answer.data

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_prose(data["message"])
