"""`backfills create`, `preview` and `verify`: from options to the body of a request."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from backfilld.cli.inputs import JsonObject, JsonOrFile, read_windows
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output import exit_codes
from backfilld.cli.output.backfill_text import print_created, print_preview, print_verified
from backfilld.cli.output.printing import print_json, print_warnings
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand
from backfilld.domain.errors import Fault
from backfilld.domain.instants import bounded_date

if TYPE_CHECKING:
    from backfilld.client import Answer, Client

Command = TypeVar("Command", bound=Callable[..., Any])
IDS_FILE = click.Path(dir_okay=False, allow_dash=True, exists=True, path_type=Path)


class _Date(click.ParamType[str]):
    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            day = bounded_date(date.fromisoformat(value), "")
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as YYYY-MM-DD", param, ctx)
        if isinstance(day, Fault):
            self.fail(f"{value!r} {day.message}", param, ctx)
        return day.isoformat()


def date_option(name: str, *, help: str) -> Callable[[Command], Command]:
    """Dates, as `excluded_dates`."""
    return click.option(name, "excluded_dates", multiple=True, type=_Date(), help=help)


class _FailurePolicy(JsonObject):
    """`off`, or what the API takes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return {"enabled": False} if value == "off" else super().convert(value, param, ctx)


ids_file_option = click.option(
    "--entity-ids-file", "ids_file", type=IDS_FILE, help="Only these; one id a line, - is stdin."
)
id_column_option = click.option("--id-column", help="The ids file is a table, CSV or JSON lines: ids stand here.")
allow_empty_option = click.option(
    "--allow-empty", is_flag=True, help="That nothing matches is fine: exit code 0 instead of 9."
)

LIMITS = (
    click.option("--starts-per-minute", type=float, help="Starts are spread: 0.5 is one every two minutes."),
    click.option("--max-credits", type=float, help="Pause when so many are spent."),
    click.option(
        "--failure-policy",
        type=_FailurePolicy(),
        metavar="off|JSON",
        help="When too much fails and it pauses by itself; default: more than half of the last 200, or 20 in a row.",
    ),
    click.option(
        "--slow-down",
        type=JsonObject(),
        help='Fewer at once while the target is slow: {"latency_ms": 500, "of": "p90", "over": 20}.',
    ),
    click.option(
        "--recheck/--no-recheck",
        default=None,
        help="Ask the filter again right before each first start. Default: only of types of APIs.",
    ),
)

_PLAN = (
    click.option("--entity-type", required=True, help="ticket, company, contact, …"),
    click.option("--filter", "filter_spec", type=JsonOrFile(), help="Which entities; {} is everything."),
    click.option(
        "--window",
        "windows",
        multiple=True,
        required=True,
        metavar="'DAYS HH:MM-HH:MM'",
        help="When it may run, as 'mon-fri 22:00-06:00' or 'daily 00:00-24:00'. Repeatable.",
    ),
    click.option("--timezone", help="IANA name, of the windows and of dates in the filter. Default: UTC."),
    click.option("--max-in-flight", type=int, required=True, help="Entities worked on at once, 1 to 10."),
    click.option("--name", help="For people."),
    click.option("--reason", help="Why; kept in the audit trail."),
    click.option(
        "--start",
        type=click.Choice(["now", "when_approved", "when_approved_by_another"]),
        help="when_approved: make the plan, then pause until it is resumed; …_by_another: by somebody else.",
    ),
    ids_file_option,
    id_column_option,
    click.option("--order", type=click.Choice(["source", "newest_first", "oldest_first"]), help="Default: source."),
    click.option(
        "--reprocess",
        "reprocess_behavior",
        type=click.Choice(["none", "failed", "completed"]),
        help="Of those that ran before: none, those that did not succeed (the default), or all.",
    ),
    click.option("--sample-size", type=int, help="Run so many first, spread over the plan, then pause."),
    click.option("--max-attempts", type=int, help="Tries per entity."),
    *LIMITS,
    date_option("--exclude-date", help="No start then. Repeatable."),
    click.option("--params", type=JsonObject(), help="Handed to the workflow with each entity."),
    click.option("--rehearsal", is_flag=True, default=None, help="The target does nothing for real, if it can."),
    click.option("--total-estimated", type=int, help="Your own guess; a warning tells if it is far off."),
)  # fmt: skip

_WORKFLOW = "What to do with each: id or name."
_COPIED = (
    "entity_type", "timezone", "max_in_flight", "name", "reason", "start", "order", "reprocess_behavior",
    "sample_size", "max_attempts", "starts_per_minute", "max_credits", "failure_policy", "slow_down",
    "recheck", "params", "rehearsal", "total_estimated",
)  # fmt: skip


def limit_options(command: Command) -> Command:
    """Those of a backfill that may be changed on its way, too."""
    for option in reversed(LIMITS):
        command = option(command)
    return command


def plan_options(command: Command) -> Command:
    """What describes a backfill; `backfill_body` makes a request of it."""
    for option in reversed(_PLAN):
        command = option(command)
    return command


def backfill_body(options: dict[str, Any]) -> dict[str, Any]:
    """The request's body but for `target_workflow_id`. What was not given is left out, so the API's defaults hold."""
    body = {name: options[name] for name in _COPIED if options[name] is not None}
    body["daily_execution_windows"] = read_windows(options["windows"])
    if options["excluded_dates"]:
        body["excluded_dates"] = list(options["excluded_dates"])
    if options["ids_file"] is not None:
        from backfilld.cli.entities.id_files import read_ids

        body["entity_ids"] = read_ids(options["ids_file"], options["id_column"])
    if options["filter_spec"] is not None:
        body["filter_spec"] = options["filter_spec"]
    elif "entity_ids" in body:
        body["filter_spec"] = {}
    else:
        raise click.UsageError("Missing option '--filter' (or --entity-ids-file). Everything is --filter '{}'.")
    return body


@click.command("create", cls=WholeCommand)
@plan_options
@click.option("--workflow", required=True, help=_WORKFLOW)
@click.option("--idempotency-key", help="The same key again gives the same answer instead of another backfill.")
@click.option(
    "--watch", "watch_it", is_flag=True, help="Follow it until it ends or needs somebody; the exit code says which."
)
@allow_empty_option
@json_option
@server_options
def create(
    server: Server,
    as_json: bool,
    workflow: str,
    watch_it: bool,
    allow_empty: bool,
    idempotency_key: str | None,
    **options: Any,
) -> None:
    """Create a backfill: a workflow over every entity that matches, inside its windows."""
    body = backfill_body(options)

    async def ask() -> int:
        async with server.client() as client:
            body["target_workflow_id"] = await _workflow_id(client, workflow)
            answer = await client.create_backfill(body, idempotency_key=idempotency_key)
            return await report_created(client, answer, as_json=as_json, watch=watch_it)

    raise click.exceptions.Exit(exit_codes.allowing_empty(run(ask()), allow_empty=allow_empty))


@click.command("preview", cls=WholeCommand)
@plan_options
@click.option("--workflow", help=f"{_WORKFLOW} Without it neither cost nor end is told.")
@click.option("--wait", type=click.FloatRange(0, 30), default=0, help="Seconds to look for, if numbers take long.")
@allow_empty_option
@json_option
@server_options
def preview(
    server: Server, as_json: bool, workflow: str | None, wait: float, allow_empty: bool, **options: Any
) -> None:
    """Show what `create` with the same options would do; creates nothing."""
    body = backfill_body(options)

    async def ask() -> "Answer":
        async with server.client() as client:
            if workflow is not None:
                body["target_workflow_id"] = await _workflow_id(client, workflow)
            return await client.preview_backfill(body, wait_seconds=wait)

    answer = run(ask())
    print_warnings(answer.warnings)
    if as_json:
        print_json(answer.data)
    else:
        print_preview(answer.data, options.get("timezone") or "UTC")
    skipped = answer.data.get("skipped") or {}
    unfit = skipped.get("not_found", 0) + skipped.get("not_matching", 0)
    if answer.data["total_entities"] is not None and answer.data["total_entities"] == unfit:
        raise click.exceptions.Exit(exit_codes.allowing_empty(exit_codes.NOTHING_MATCHED, allow_empty=allow_empty))


@click.command("verify", cls=WholeCommand)
@click.option("--entity-type", required=True, help="ticket, company, contact, …")
@click.option("--filter", "filter_spec", type=JsonOrFile(), required=True, help="Which entities; {} is everything.")
@click.option("--timezone", help="IANA name, of dates in the filter. Default: UTC.")
@allow_empty_option
@json_option
@server_options
def verify(
    server: Server, as_json: bool, entity_type: str, filter_spec: Any, timezone: str | None, allow_empty: bool
) -> None:
    """Count what a filter matches, and say what looks wrong with it; creates nothing."""

    async def ask() -> "Answer":
        async with server.client() as client:
            return await client.verify_filter(entity_type, filter_spec, timezone)

    answer = run(ask())
    print_warnings(answer.warnings)
    if as_json:
        print_json(answer.data)
    else:
        print_verified(answer.data)
    if not answer.data["success"]:
        raise click.exceptions.Exit(exit_codes.ERROR)
    if answer.data["matching_entities"] == 0:
        raise click.exceptions.Exit(exit_codes.allowing_empty(exit_codes.NOTHING_MATCHED, allow_empty=allow_empty))


async def report_created(client: "Client", answer: "Answer", *, as_json: bool, watch: bool) -> int:
    """Show a new backfill and, if wanted, follow it; the exit code of the command."""
    print_warnings(answer.warnings)
    if as_json:
        print_json(answer.data)
    else:
        if answer.replayed:
            click.echo("This idempotency key was used before; nothing new was created.", err=True)
        print_created(answer.data)
    nothing = _covers_nothing(answer.data)
    if not watch:
        return exit_codes.NOTHING_MATCHED if nothing else exit_codes.OK
    from backfilld.cli.backfills import watch as watching

    last = await watching.watch(client, answer["backfill"]["id"], as_json=as_json, until_held=True)
    code = exit_codes.of_end(last)
    return exit_codes.NOTHING_MATCHED if nothing and code == exit_codes.OK else code


def _covers_nothing(data: dict[str, Any]) -> bool:
    """Whether nothing matches, or none of the ids that were named is known and matches."""
    named = data.get("named_entities")
    if named is not None and named["unknown"] is not None:
        return bool(named["named"] == named["unknown"] + named["not_matching"])
    return (data.get("cost_estimate") or {}).get("total_entities") == 0


async def _workflow_id(client: "Client", wanted: str) -> int:
    from backfilld.cli.output.workflow_lookup import workflow_id

    return await workflow_id(client, wanted)
