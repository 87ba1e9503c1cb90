"""`backfilld sources …`: where entities come from, how that is at this moment, and a test of it, over HTTP."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import compact, local, number, print_json, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup
from backfilld.domain.filters.paths import spell
from backfilld.domain.texts import many

LONGEST_VALUE = 40
ABSENT = object()


@click.group("sources", cls=WholeGroup)
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
        [one["name"], one["kind"], _budget(one["budget"]), "well" if one["healthy"] else "problem", _types(one)]
        for one in data["sources"]
    ]
    print_table(["SOURCE", "KIND", "BUDGET", "HEALTH", "TYPES"], rows, empty="Nothing but the built-in store.")
    for one in data["sources"]:
        if not one["healthy"]:
            click.echo(f"{one['name']}: {one['problem'].removeprefix(one['name'] + ': ')}")


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
    record = found["record"] or {"id": "-", "attributes": {}}
    values = dict(_flat(record["attributes"], ""))
    names = sorted(found["fields"].keys() | values.keys())
    rows = [[name, found["fields"].get(name), _short(values.get(name, ABSENT))] for name in names]
    print_table(["FIELD", "TYPE", f"OF {record['id']}"], rows, empty="No known fields.")
    count = "not known" if found["count"] is None else number(found["count"])
    click.echo(f"Entities: {count}")
    cost = "" if found["requests"] is None else f"{many(found['requests'], 'request', 'requests')}, "
    click.echo(f"It took {cost}{found['seconds']:.3g} s.")
    if found["problem"]:
        click.echo(f"Problem: {found['problem']}", err=True)


def _types(source: Mapping[str, Any]) -> str:
    return ", ".join(source["entity_types"])


def _flat(record: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Its values by the names that filters give them."""
    for key, value in record.items():
        name = before + spell((key,))
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _short(value: Any) -> str:
    if value is ABSENT:
        return ""
    text = value if isinstance(value, str) and value else "null" if value is None else compact(value) or ""
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _budget(budget: Mapping[str, Any] | None) -> str:
    if budget is None:
        return "-"
    limit = "no limit" if budget["limit"] is None else f"{number(budget['used'])} of {number(budget['limit'])}"
    return limit if budget["until"] is None else f"{limit}, until {local(budget['until'])}"
