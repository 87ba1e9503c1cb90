"""`backfilld notifications …`: who is told what happens, over HTTP."""

from typing import Any

import click

from backfilld.cli.naming import is_beginning, the_one
from backfilld.cli.options import Server, json_option, limit_option, server_options
from backfilld.cli.output.printing import local, print_json, print_table, short_id
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("notifications", cls=WholeGroup)
def group() -> None:
    """See who is told what happens, test it, and send again what did not arrive."""


@group.command("list")
@json_option
@server_options
def list_(server: Server, as_json: bool) -> None:
    """List the endpoints of the configuration file, and what has become of their messages."""

    async def ask() -> list[dict[str, Any]]:
        async with server.client() as client:
            return list((await client.list_notifications()).data["notifications"])

    found = run(ask())
    if as_json:
        print_json({"notifications": found})
        return
    rows = [
        (
            one["name"],
            one["format"],
            one["origin"],
            "on" if one["enabled"] else "off",
            one["pending"],
            one["dead"],
            local(one["last_delivered_at"]),
        )
        for one in found
    ]
    print_table(("NAME", "FORMAT", "WHERE", "STATE", "PENDING", "DEAD", "LAST ARRIVED"), rows, empty="No endpoints.")


@group.command("test")
@click.argument("name")
@json_option
@server_options
def test(server: Server, as_json: bool, name: str) -> None:
    """Send a test, and say how it went. Exit code 1 if it did not arrive."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.test_notification(name)).data)

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        arrived = "arrived" if data["delivered"] else f"did not arrive: {data['error']}"
        click.echo(f"it {arrived} ({data['took_ms']} ms)")
    if not data["delivered"]:
        raise SystemExit(1)


@group.command("deliveries")
@click.argument("name")
@click.option("--state", type=click.Choice(["pending", "delivered", "dead"]), help="dead: nobody tries any more.")
@limit_option
@json_option
@server_options
def deliveries(server: Server, as_json: bool, name: str, state: str | None, limit: int) -> None:
    """List the messages of an endpoint, newest first."""

    async def ask() -> list[dict[str, Any]]:
        async with server.client() as client:
            size = min(limit, 200)
            answer = await client.list_deliveries(name, page_size=size, **({"state": state} if state else {}))
            return list(answer.data["deliveries"])

    found = run(ask())
    if as_json:
        print_json({"deliveries": found})
        return
    rows = [
        (short_id(one["id"]), local(one["created_at"]), one["event"], one["state"], one["attempts"], one["last_error"])
        for one in found
    ]
    print_table(("ID", "MADE", "EVENT", "STATE", "TRIES", "LAST ERROR"), rows, empty="No messages.")


@group.command("resend")
@click.argument("name")
@click.argument("id", required=False)
@json_option
@server_options
def resend(server: Server, as_json: bool, name: str, id: str | None) -> None:
    """Send message ID of an endpoint again; without ID every one that nobody tries to deliver any more.

    ID may be the beginning of one of the latest.
    """

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            whole = id
            if id is not None and is_beginning(id):
                latest = (await client.list_deliveries(name, page_size=200)).data["deliveries"]
                whole = the_one(id, (str(one["id"]) for one in latest), "message")
            return dict((await client.resend_delivery(name, whole)).data)

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        click.echo(f"{data['resent']} sent again")
