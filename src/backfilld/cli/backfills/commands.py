"""`backfilld backfills …`: create, look at, watch and steer backfills, over HTTP."""

from typing import Any

import click

from backfilld.cli.admin.audit import event_filters
from backfilld.cli.backfills import create as creating
from backfilld.cli.backfills import edit as editing
from backfilld.cli.backfills import ledger, many
from backfilld.cli.backfills.delete import delete
from backfilld.cli.backfills.listing import list_
from backfilld.cli.backfills.many import Which, many_options
from backfilld.cli.backfills.progress import progress
from backfilld.cli.backfills.report import report
from backfilld.cli.backfills.rerun import rerun, rerun_failed
from backfilld.cli.backfills.steer import clone, override
from backfilld.cli.naming import backfill_argument, optional_backfill_argument, zone_of
from backfilld.cli.options import Server, json_option, reason_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.backfill_text import backfill_fields, limit_row
from backfilld.cli.output.printing import number, print_fields, print_json, print_prose, print_table, print_warnings
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup


@click.group("backfills", cls=WholeGroup)
def group() -> None:
    """Create, watch and steer backfills."""


group.add_command(creating.create)
group.add_command(creating.preview)
group.add_command(creating.verify)
group.add_command(list_)
group.add_command(progress)
group.add_command(report)
group.add_command(delete)
group.add_command(ledger.entities)
group.add_command(ledger.entity)
group.add_command(editing.edit)
group.add_command(clone)
group.add_command(override)
group.add_command(rerun)
group.add_command(rerun_failed)


@group.command("show")
@backfill_argument
@json_option
@server_options
def show(server: Server, as_json: bool, id: str) -> None:
    """Show one backfill: where it stands, and why nothing more is starting."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            answer = await client.get_backfill(id)
            print_warnings(answer.warnings)
            return answer.data

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_fields(backfill_fields(data["backfill"]))


@group.command("explain")
@backfill_argument
@json_option
@server_options
def explain(server: Server, as_json: bool, id: str) -> None:
    """Tell why nothing, or not more, is starting, what would change it, and when."""

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return (await client.explain_backfill(id)).data

    data = run(ask())
    if as_json:
        print_json(data)
        return
    for sentence in data["sentences"]:
        print_prose(sentence)
    if data["limits"]:
        click.echo()
        rows = [limit_row(limit) for limit in data["limits"]]
        print_table(("LIMIT", "AT MOST", "IN USE", "ITEMS/MIN"), rows)


@group.command("watch")
@optional_backfill_argument
@creating.allow_empty_option
@json_option
@server_options
def watch(server: Server, as_json: bool, id: str | None, allow_empty: bool) -> None:
    """Follow a backfill until it ends; the exit code says how it ended. Without ID: all that are active."""
    if id is None:
        run(_watch_all(server, as_json))
        return
    whole: str = id
    from backfilld.cli.backfills import watch as watching

    async def follow() -> int:
        async with server.client() as client:
            return exit_codes.of_end(await watching.watch(client, whole, as_json=as_json))

    raise click.exceptions.Exit(exit_codes.allowing_empty(run(follow()), allow_empty=allow_empty))


async def _watch_all(server: Server, as_json: bool) -> None:
    from backfilld.cli.backfills.watch import watch_all

    async with server.client() as client:
        await watch_all(client, as_json=as_json)


@group.command("timeline")
@backfill_argument
@event_filters
@json_option
@server_options
def timeline(server: Server, as_json: bool, id: str, **filters: str | None) -> None:
    """Tell what happened to a backfill, oldest first: what people did, each change of status, each outage."""
    from backfilld.cli.output.audit_table import print_events

    async def ask() -> tuple[list[dict[str, Any]], str | None]:
        async with server.client() as client:
            events = [event async for event in client.timeline(id, **filters)]
            return events, None if as_json else await zone_of(client, id)

    events, zone = run(ask())
    if as_json:
        print_json({"events": events})
    else:
        print_events(events, with_subject=False, zone=zone)


@group.command("pause")
@many_options
@click.option("--until", metavar="INSTANT", help="Go on by itself then, as 2027-03-01T06:00:00Z.")
@reason_option
@json_option
@server_options
def pause(server: Server, as_json: bool, which: Which, reason: str | None, until: str | None) -> None:
    """Start nothing more; what is in flight ends. Once this returns, nothing starts.

    Asked again, --until is replaced or, left out, taken back.
    """
    _steer_many(server, as_json, "pause", which, reason=reason, **({} if until is None else {"until": until}))


@group.command("resume")
@many_options
@reason_option
@json_option
@server_options
def resume(server: Server, as_json: bool, which: Which, reason: str | None) -> None:
    """Go on; also the approval of `--start when_approved` and of a sample."""
    _steer_many(server, as_json, "resume", which, reason=reason)


@group.command("cancel")
@many_options
@reason_option
@click.option(
    "--in-flight",
    type=click.Choice(["drain", "cancel"]),
    default=None,
    help="Let what is in flight end (the default), or cancel it too.",
)
@json_option
@server_options
def cancel(server: Server, as_json: bool, which: Which, reason: str | None, in_flight: str | None) -> None:
    """End it; whatever has no outcome by then is cancelled. Once this returns, nothing starts."""
    options = {} if in_flight is None else {"in_flight": in_flight}
    _steer_many(server, as_json, "cancel", which, reason=reason, **options)


@group.command("try-now")
@backfill_argument
@reason_option
@json_option
@server_options
def try_now(server: Server, as_json: bool, id: str, reason: str | None) -> None:
    """Ask the target or the source that it waits for at once: somebody has mended it."""
    _steer(server, as_json, "try-now", id, reason=reason)


def _steer_many(server: Server, as_json: bool, verb: str, which: Which, **options: str | None) -> None:
    """That of an id; or those of a name or a reason, after their number was confirmed."""
    if which.id is not None:
        _steer(server, as_json, verb, which.id, **options)
        return

    async def ask() -> bool:
        async with server.client() as client:
            return await many.steer(client, verb, await many.found(client, which), options, which, as_json=as_json)

    if not run(ask()):
        raise SystemExit(exit_codes.ERROR)


def _steer(server: Server, as_json: bool, verb: str, id: str, **options: str | None) -> None:
    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            act = {
                "pause": client.pause_backfill,
                "resume": client.resume_backfill,
                "cancel": client.cancel_backfill,
                "try-now": client.try_now,
            }[verb]
            answer = await act(id, **options)
            print_warnings(answer.warnings)
            return answer.data

    data = run(ask())
    if as_json:
        print_json(data)
        return
    print_prose(f"{data['backfill_id']}: {data['message']}")


@group.command("errors")
@backfill_argument
@json_option
@server_options
def errors(server: Server, as_json: bool, id: str) -> None:
    """List what failed, or waits for another try, by class and message, with a few entities of each."""
    from backfilld.cli.output.failure_groups import failures_of

    async def ask() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async with server.client() as client:
            return await failures_of(client, id), await failures_of(client, id, status="retrying")

    found, waiting = run(ask())
    if as_json:
        print_json({"errors": found, "retrying": waiting})
        return
    header = ("COUNT", "CLASS", "MESSAGE", "FOR EXAMPLE")
    print_table(header, _cells(found), empty="No failures." if not waiting else "No failures so far.")
    if waiting:
        click.echo(f"\n{number(sum(error['count'] for error in waiting))} waiting for another try, after")
        print_table(header, _cells(waiting))


def _cells(errors: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [(error["count"], error["error_class"], error["message"], " ".join(error["entity_ids"])) for error in errors]
