"""`backfills override …`: what people do to a backfill on its way, beside pausing, resuming and cancelling it."""

import click

from backfilld.cli.naming import backfill_argument
from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output.printing import print_json, print_prose, print_warnings
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand


@click.command("override", cls=WholeCommand)
@backfill_argument
@click.option("--until", metavar="INSTANT", help="At most 24 hours ahead, as 2027-03-01T18:00:00Z.")
@click.option("--end", is_flag=True, help="Let the windows alone count again.")
@reason_option
@json_option
@server_options
def override(server: Server, as_json: bool, id: str, until: str | None, end: bool, reason: str | None) -> None:
    """Run outside the windows until a time; whatever else holds it still does."""
    if end is (until is not None):
        raise click.UsageError("give either --until or --end")

    async def ask() -> dict[str, object]:
        async with server.client() as client:
            if until is None:
                await client.end_override(id, reason=reason)
                return {"backfill_id": id, "message": "its windows alone count again"}
            answer = await client.override_windows(id, until, reason=reason)
            print_warnings(answer.warnings)
            return answer.data

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_prose(f"{data['backfill_id']}: {data['message']}")


@click.command("clone", cls=WholeCommand)
@backfill_argument
@json_option
@server_options
def clone(server: Server, as_json: bool, id: str) -> None:
    """Print what asks for another backfill like it: the body of POST /public-api/backfills, always as JSON."""

    async def ask() -> dict[str, object]:
        async with server.client() as client:
            return (await client.clone_backfill(id)).data

    print_json(run(ask()))
