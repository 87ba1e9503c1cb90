"""`backfilld targets`: how the systems are that workflows send to, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output.printing import local, print_json, print_prose, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("targets", cls=WholeGroup, invoke_without_command=True)
@json_option
@server_options
@click.pass_context
def targets(ctx: click.Context, server: Server, as_json: bool) -> None:
    """See every target that the daemon has used: whether it can be reached, its budget, and what uses it."""
    if ctx.invoked_subcommand is None:
        _list(server, as_json)


@targets.command("list")
@json_option
@server_options
def list_(server: Server, as_json: bool) -> None:
    """List them."""
    _list(server, as_json)


@targets.command("try-now")
@click.argument("target")
@reason_option
@json_option
@server_options
def try_now(server: Server, as_json: bool, target: str, reason: str | None) -> None:
    """Have TARGET (as the list names it) asked again at once, of an outage or of a refusal."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.ask_target(target, reason=reason)).data)

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_prose(f"{target}: {data['message']}")


def _list(server: Server, as_json: bool) -> None:

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.list_targets()).data)

    data = run(ask())
    if as_json:
        print_json(data)
        return
    rows = [
        [one["target"], _state(one), local(one["since"]), _budget(one), ", ".join(one["workflows"]), one["last_error"]]
        for one in data["targets"]
    ]
    print_table(["TARGET", "STATE", "SINCE", "BUDGET", "WORKFLOWS", "LAST ERROR"], rows, empty="None was used yet.")


def _state(target: dict[str, Any]) -> str:
    if target["state"] != "closed":
        return str(target["state"])
    if target["refuses"]:
        return "refuses " + ", ".join(one["workflow"] for one in target["refuses"])
    return f"paused until {local(target['paused_until'])}" if target["paused_until"] else "well"


def _budget(target: dict[str, Any]) -> str | None:
    budget = target["budget"]
    return None if budget is None else f"{budget['starts_per_minute']:g}/min, {budget['waiting']} wait"
