"""`backfilld entities list|show|delete|types`: what the built-in store holds."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, limit_option, reason_option, server_options
from backfilld.cli.output.printing import compact, local, print_fields, print_json, print_prose, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand

of_type = click.argument("entity_type", metavar="TYPE")


@click.command("types", cls=WholeCommand)
@json_option
@server_options
def types(server: Server, as_json: bool) -> None:
    """List entity types: where each comes from, how many there are, whether its source is well, and how indexes of
    attributes are."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return (await client.list_entity_types()).data

    data = run(ask())
    if as_json:
        print_json(data)
        return
    rows = [
        (
            one["name"],
            one["source"],
            one["count"],
            local(one["loaded_at"]),
            len(one["fields"]),
            one["problem"] or "well",
        )
        for one in data["entity_types"]
    ]
    print_table(("TYPE", "SOURCE", "COUNT", "LOADED", "FIELDS", "HEALTH"), rows)
    indexes = [(one["name"], index) for one in data["entity_types"] for index in one["indexes"]]
    if indexes:
        click.echo()
        print_table(("TYPE", "INDEX", "STATE"), [(name, index["field"], _state(index)) for name, index in indexes])


def _state(index: dict[str, Any]) -> str:
    if index["state"] == "building" and index["share"] is not None:
        return f"building, {index['share']:.0%}"
    return f"failed: {index['problem']}" if index["problem"] else str(index["state"])


@click.command("list", cls=WholeCommand)
@of_type
@limit_option
@json_option
@server_options
def list_(server: Server, as_json: bool, entity_type: str, limit: int) -> None:
    """List records of a type that is kept here, by id."""

    async def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with server.client() as client:
            from backfilld.client.calling import part

            path = f"/entities/{part(entity_type)}"
            async for one in client.every("entities", path, page_size=min(limit, 200)):
                found.append(one)
                if len(found) == limit:
                    break
        return found

    found = run(ask())
    if as_json:
        print_json({"entities": found})
        return
    rows = [(one["id"], compact(one["attributes"])) for one in found]
    print_table(("ID", "ATTRIBUTES"), rows, empty=f"No {entity_type} is kept here.")


@click.command("show", cls=WholeCommand)
@of_type
@click.argument("id")
@json_option
@server_options
def show(server: Server, as_json: bool, entity_type: str, id: str) -> None:
    """Show one record."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return (await client.get_entity(entity_type, id)).data

    data = run(ask())
    if as_json:
        print_json(data)
        return
    one = data["entity"]
    print_fields({"id": one["id"], "type": entity_type, "as of": local(one.get("as_of"))})
    for name, value in one["attributes"].items():
        print_prose(f"  {name}: {value if isinstance(value, str) else compact(value)}", indent=4)


@click.command("delete", cls=WholeCommand)
@of_type
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reason_option
@json_option
@server_options
def delete(server: Server, as_json: bool, entity_type: str, id: str, yes: bool, reason: str | None) -> None:
    """Remove one record from the store. Outcomes of backfills over it stay."""
    if not yes:
        click.confirm(f"Delete the {entity_type} {id}?", abort=True, err=True)

    async def ask() -> None:
        async with server.client() as client:
            await client.delete_entity(entity_type, id, reason=reason)

    run(ask())
    if as_json:
        print_json({"entity_type": entity_type, "id": id})
    else:
        click.echo(f"{entity_type} {id} is deleted.")
