"""`backfilld engines …`: the engines that workflows run on, how they are, and a test of one, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import local, print_json, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("engines", cls=WholeGroup)
def group() -> None:
    """See the engines that workflows run on, and test them."""


@group.command("list")
@json_option
@server_options
def list_(server: Server, as_json: bool) -> None:
    """See every engine of the configuration: where it is, whether it can be reached, and what runs on it."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.list_engines()).data)

    data = run(ask())
    if as_json:
        print_json(data)
        return
    rows = [
        [one["name"], one["kind"], one["address"], _state(one), ", ".join(one["workflows"]), one["problem"]]
        for one in data["engines"]
    ]
    headings = ["ENGINE", "KIND", "ADDRESS", "STATE", "WORKFLOWS", "LAST PROBLEM"]
    print_table(headings, rows, empty="The configuration names none.")


@group.command("test")
@click.argument("name")
@json_option
@server_options
def test(server: Server, as_json: bool, name: str) -> None:
    """Ask the engine NAME whether work could run there. Nothing is started; exit code 1 if it could not."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.test_engine(name)).data)

    found = run(ask())["test"]
    if as_json:
        print_json({"test": found})
    else:
        print_table(
            ["WHAT", "FOUND"], [[what, said] for what, said in found["facts"].items()], empty="It said nothing."
        )
        for warning in found["warnings"]:
            click.echo(f"Warning: {warning}", err=True)
        if found["problem"]:
            click.echo(f"Problem: {found['problem']}", err=True)
    if not found["healthy"]:
        raise SystemExit(exit_codes.ERROR)


def _state(engine: dict[str, Any]) -> str:
    if engine["state"] != "closed":
        return f"{engine['state']} since {local(engine['since'])}"
    return f"paused until {local(engine['paused_until'])}" if engine["paused_until"] else "well"
