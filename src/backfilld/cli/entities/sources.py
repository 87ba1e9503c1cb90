"""`backfilld sources …`: where entities come from, how that is at this moment, and a test of it, over HTTP."""

from collections.abc import Mapping
from typing import Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import compact, local, number, print_json, print_table
from backfilld.cli.running import run


@click.group("sources")
def group() -> None:
    """See where entities come from, and test it."""


@group.command("list")
@json_option
@server_options
def list_(server: Server, as_json: bool) -> None:
    """See every source that is not the built-in one: what is listed by it, its health and its budget."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.list_sources()).data)

    data = run(ask())
    if as_json:
        print_json(data)
        return
    rows = [
        [one["name"], one["kind"], ", ".join(one["entity_types"]), _budget(one["budget"]), one["problem"] or "well"]
        for one in data["sources"]
    ]
    print_table(["SOURCE", "KIND", "TYPES", "BUDGET", "HEALTH"], rows, empty="Nothing but the built-in store.")


@group.command("test")
@click.argument("entity_type")
@json_option
@server_options
def test(server: Server, as_json: bool, entity_type: str) -> None:
    """Ask for the fields of ENTITY_TYPE, how many there are, and one of them; say what that cost."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.test_source(entity_type)).data)

    found = run(ask())["test"]
    if as_json:
        print_json({"test": found})
    else:
        _print_test(found)
    if not found["healthy"]:
        raise SystemExit(exit_codes.ERROR)


def _print_test(found: Mapping[str, Any]) -> None:
    rows = [[name, kind] for name, kind in sorted(found["fields"].items())]
    print_table(["FIELD", "TYPE"], rows, empty="No known fields.")
    count = "not known" if found["count"] is None else number(found["count"])
    click.echo(f"Entities: {count}")
    if found["record"] is not None:
        click.echo(f"One of them, {found['record']['id']}: {compact(found['record']['attributes'])}")
    cost = "" if found["requests"] is None else f"{number(found['requests'])} requests, "
    click.echo(f"It took {cost}{found['seconds']:g} s.")
    if found["problem"]:
        click.echo(f"Problem: {found['problem']}", err=True)


def _budget(budget: Mapping[str, Any] | None) -> str:
    if budget is None:
        return "-"
    limit = "no limit" if budget["limit"] is None else f"{number(budget['used'])} of {number(budget['limit'])}"
    return limit if budget["until"] is None else f"{limit}, until {local(budget['until'])}"
