"""`backfilld brakes …`: what holds starts while the present suffers, over HTTP."""

from typing import Any

import click

from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output.printing import compact, duration, local, print_fields, print_json, print_prose, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("brakes", cls=WholeGroup, invoke_without_command=True)
@json_option
@server_options
@click.pass_context
def group(ctx: click.Context, server: Server, as_json: bool) -> None:
    """See what holds starts while the present suffers, and let go. Without a command: list them."""
    if ctx.invoked_subcommand is None:
        _list(server, as_json)


@group.command("list")
@json_option
@server_options
def list_(server: Server, as_json: bool) -> None:
    """List the brakes of the configuration file, and what each sees."""
    _list(server, as_json)


def _list(server: Server, as_json: bool) -> None:
    async def ask() -> list[dict[str, Any]]:
        async with server.client() as client:
            return list((await client.list_brakes()).data["brakes"])

    brakes = run(ask())
    if as_json:
        print_json({"brakes": brakes})
        return
    rows = [(one["name"], one["type"], _state(one), compact(one["value"]), _sentence(one)) for one in brakes]
    print_table(("NAME", "TYPE", "STATE", "VALUE", "SAYS"), rows, empty="No brakes.")


def _state(brake: dict[str, Any]) -> str:
    if brake["released_until"]:
        return "released"
    if brake["holds"]:
        return "critical" if brake["hold"]["code"] == "braked_critically" else "holds"
    return "open"


def _sentence(brake: dict[str, Any]) -> str:
    if brake["released_until"]:
        return f"held open until {local(brake['released_until'])} by {brake['released_by']}"
    if brake["holds"]:
        return str(brake["hold"]["message"])
    return str(brake["last_error"] or brake["says"] or "")


@group.command("test")
@click.argument("name")
@click.option("--since", metavar="DURATION", help="Type prometheus: how it would have held in the last 7d, 12h, ….")
@json_option
@server_options
def test(server: Server, as_json: bool, name: str, since: str | None) -> None:
    """Look now, and say what was seen. It is a look like any other."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.test_brake(name, since=since)).data)

    data = run(ask())
    if as_json:
        print_json(data)
        return
    verdict = "nothing was seen" if data["bad"] is None else "bad" if data["bad"] else "well"
    seen = {"value": compact(data["value"]), "says": data["says"], "error": data["error"], "verdict": verdict}
    print_fields(seen | {"took": f"{data['took_ms']} ms", "state": _state(data["brake"])})
    if (history := data["history"]) is not None:
        inside = history["held_in_windows_seconds"]
        print_fields(
            {
                f"in the last {since}": f"would have held {history['times']} times",
                "for": duration(history["held_seconds"]),
                "inside windows": None if inside is None else duration(inside),
                "worst": compact(history["worst"]),
            }
        )


@group.command("reset")
@click.argument("name")
@reason_option
@json_option
@server_options
def reset(server: Server, as_json: bool, name: str, reason: str | None) -> None:
    """Let a brake go on that was critical. Refused while it is bad, or cannot be seen."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.reset_brake(name, reason=reason)).data)

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_prose(data["message"])


@group.command("release")
@click.argument("name")
@click.option("--until", required=True, metavar="INSTANT", help="At most 24 hours ahead, as 2027-03-01T00:00:00Z.")
@reason_option
@json_option
@server_options
def release(server: Server, as_json: bool, name: str, until: str, reason: str | None) -> None:
    """Hold a brake open for a while, whatever it sees; that ends by itself."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return dict((await client.release_brake(name, until=until, reason=reason)).data)

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_prose(data["message"])
