"""`backfills rerun` and `rerun-failed`: items of an ended backfill once more, as a backfill of their own."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from backfilld.cli.backfills import create as creating
from backfilld.cli.naming import backfill_argument
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import number, print_json, print_warnings
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    backfill_argument,
    click.option("--error-class", help="Only failures of this class, as `backfills errors` names them."),
    click.option("--error-group", help="Only this group of failures, as `backfills errors --json` names it."),
    creating.ids_file_option,
    creating.id_column_option,
    click.option("--reason", help="Kept in the audit trail."),
    click.option("--dry-run", is_flag=True, help="Only count what it would cover."),
    click.option("--idempotency-key", help="The same key again gives the same answer instead of another backfill."),
    click.option("--watch", "watch_it", is_flag=True, help="Follow the new backfill until it ends."),
    json_option,
    server_options,
)


def _rerun_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("rerun-failed", cls=WholeCommand)
@_rerun_options
def rerun_failed(server: Server, as_json: bool, id: str, watch_it: bool, **options: Any) -> None:
    """Run the failed entities of an ended backfill again, as a backfill of their own."""
    raise click.exceptions.Exit(_rerun(server, as_json, id, watch_it, None, options))


@click.command("rerun", cls=WholeCommand)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    required=True,
    type=click.Choice(["succeeded", "failed", "skipped", "cancelled"]),
    help="Those that ended so. Repeatable.",
)
@_rerun_options
def rerun(server: Server, as_json: bool, id: str, watch_it: bool, statuses: tuple[str, ...], **options: Any) -> None:
    """Run entities of an ended backfill again, by what became of them."""
    raise click.exceptions.Exit(_rerun(server, as_json, id, watch_it, statuses, options))


def _rerun(
    server: Server, as_json: bool, id: str, watch_it: bool, statuses: tuple[str, ...] | None, options: dict[str, Any]
) -> int:
    from backfilld.cli.entities.id_files import read_ids

    body = {name: options[name] for name in ("error_class", "error_group", "reason") if options[name] is not None}
    if statuses is not None:
        body["status"] = list(statuses)
    if options["dry_run"]:
        body["dry_run"] = True
    if options["ids_file"] is not None:
        body["entity_ids"] = read_ids(options["ids_file"], options["id_column"])

    async def ask() -> int:
        async with server.client() as client:
            again = client.rerun_failed if statuses is None else client.rerun
            answer = await again(id, body or None, idempotency_key=options["idempotency_key"])
            if not options["dry_run"]:
                return await creating.report_created(client, answer, as_json=as_json, watch=watch_it)
            print_warnings(answer.warnings)
            if as_json:
                print_json(answer.data)
            else:
                click.echo(f"It would cover {number(answer.data['count'])}.")
            return 0

    return run(ask())
