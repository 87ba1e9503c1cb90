"""The last page of the demo: what happened, and where to go on from here."""

import shlex
from typing import Any

import click

from backfilld.cli.output.printing import duration, instant, number, print_fields, print_table
from backfilld.cli.output.program import program


def print_summary(told: dict[str, Any]) -> None:
    """`told` is `demo_story.summary` with `seconds`, `url`, `api_key` and `pids`."""
    backfill = told["backfill"]
    click.echo("\n" + click.style("What happened", bold=True))
    print_fields(
        {
            "entities": number(backfill["total_entities"]),
            "succeeded": number(backfill["succeeded_count"]),
            "failed": number(backfill["failed_count"]),
            "skipped": _skipped(backfill, told["skips"]),
            "tries": number(told["tries"]),
            **({"runs on Temporal": number(told["runs"])} if "runs" in told else {}),
            "needed several": _retried(told["retried"]),
            "credits": backfill.get("credits_used"),
            "duration": _duration(backfill),
            "whole demo": duration(told["seconds"]),
        }
    )
    if told["errors"]:
        click.echo("\n" + click.style("What failed, and why", bold=True))
        rows = [
            (error["count"], error["error_class"], error["message"], " ".join(error["entity_ids"][:3]))
            for error in told["errors"]
        ]
        print_table(("COUNT", "CLASS", "MESSAGE", "FOR EXAMPLE"), rows)
    _print_way_on(told, backfill["id"])


def _skipped(backfill: dict[str, Any], skips: dict[str, int]) -> str:
    reasons = ", ".join(f"{number(count)} {why}" for why, count in skips.items())
    return number(backfill["skipped_count"]) + (f" ({reasons})" if reasons else "")


def _retried(retried: dict[str, int]) -> str:
    parts = ", ".join(f"{number(count)} {status}" for status, count in retried.items() if count)
    return f"{number(sum(retried.values()))}" + (f" ({parts} in the end)" if parts else "")


def _duration(backfill: dict[str, Any]) -> str | None:
    started, completed = instant(backfill.get("started_at")), instant(backfill.get("completed_at"))
    return duration((completed - started).total_seconds()) if started and completed else None


def _print_way_on(told: dict[str, Any], id: str) -> None:
    pids = told["pids"]
    click.echo("\n" + click.style("Look around", bold=True))
    print_fields({"in a browser": told["url"], "its HTTP API": f"{told['url']}/docs", "key of both": told["api_key"]})
    click.echo("or by the command line, in any terminal:")
    for line in ways_to_ask(told, id):
        click.echo(f"  {line}")
    if pids:
        click.echo("The daemon and its target go on. Stop them with:")
        click.echo(f"  kill {' '.join(str(pid) for pid in pids)}")


def ways_to_ask(told: dict[str, Any], id: str) -> list[str]:
    """Lines for a shell, wherever it stands."""
    curl = 'curl -s -H "Authorization: Bearer $BACKFILLD_API_KEY" "$BACKFILLD_URL/public-api/backfills'
    name = shlex.quote(program(anywhere=True))
    lines = [
        f"export BACKFILLD_URL={told['url']} BACKFILLD_API_KEY={told['api_key']}",
        f"{name} backfills show {id}",
        f"{name} backfills entities {id} --status failed",
    ]
    if told["errors"]:
        lines.append(f"{name} backfills entity {id} {told['errors'][0]['entity_ids'][0]}")
    if told.get("scenes"):  # one of them has run the failures again, and stands still in the way of another rerun
        further = [f"{name} backfills list", f"{name} backfills explain last"]
    else:
        further = [f"{name} backfills rerun-failed {id} --watch"]
    return [*lines, *further, f'{curl}/{id}"']
