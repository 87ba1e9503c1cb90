"""`backfilld schedules backfill --project P | --all`: what failed or is missing, of many schedules at once.

What is to be run is shown first, a line for each workflow, and then made exactly so: one backfill each, under one name.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_json, print_table

if TYPE_CHECKING:
    from backfilld.client import Client

Times = Callable[[int], Awaitable[dict[str, str]]]
MOST_DAYS = 10  # that stand beside each other


@dataclass(frozen=True)
class Looked:
    """A schedule, how its sessions stand by their days, and what would be made. `problem`: why nothing can be."""

    id: int
    name: str
    days: dict[str, Counter[str]]
    sessions: int = 0
    body: dict[str, Any] | None = None
    problem: str | None = None


async def backfill_all(
    client: "Client", body: dict[str, Any], times: Times, *, project: str | None, yes: bool, as_json: bool
) -> int:
    """Show, ask, and make. `times` says between which times, of a schedule. The exit code."""
    schedules = [
        one async for one in client.digdag.every("schedules", "/schedules") if project in (None, one["project"]["name"])
    ]
    looked = [await _look(client, one, body, times) for one in schedules]
    wanted = [one for one in looked if one.body is not None and one.sessions]
    if not as_json:
        _print_looked(looked)
    if body["dryRun"] or not wanted:
        if as_json:
            print_json({"schedules": [_plain(one) for one in looked]})
        return _code([one.problem for one in looked])
    total = sum(one.sessions for one in wanted)
    if not yes:
        click.confirm(f"Run {total} sessions of {len(wanted)} workflows?", abort=True, err=True)
    made = [await _make(client, one) for one in wanted]
    if as_json:
        print_json({"backfills": made})
    else:
        rows = [[one["schedule"], one["workflow"], one["sessions"], one["backfillId"], one["problem"]] for one in made]
        print_table(["SCHEDULE", "WORKFLOW", "SESSIONS", "BACKFILL", "PROBLEM"], rows)
    return _code([*(one["problem"] for one in made), *(one.problem for one in looked)])


async def _look(client: "Client", schedule: dict[str, Any], body: dict[str, Any], times: Times) -> Looked:
    """By two dry runs: one that tells how every session stands, and one of what is wanted."""
    from backfilld.client import ApiError

    id, name = int(schedule["id"]), f"{schedule['project']['name']}/{schedule['workflow']['name']}"
    days: dict[str, Counter[str]] = {}
    try:
        given = await times(id)
        every = {"dryRun": True, "skipExisting": True, **given}
        stands = (await client.digdag.backfill_schedule(id, every)).data
        for one in stands["attempts"]:
            days.setdefault(one["sessionTime"][:10], Counter())["missing"] += 1
        for one in stands["leftOut"] or ():
            days.setdefault(one["sessionTime"][:10], Counter())[_word(one["status"])] += 1
        wanted = {**body, **given, "dryRun": True}
        shown = (await client.digdag.backfill_schedule(id, wanted)).data
    except ApiError as problem:
        return Looked(id, name, days, problem=problem.message)
    made = {**wanted, "dryRun": False, "planDigest": shown["planDigest"]}
    return Looked(id, name, days, len(shown["attempts"]), made)


async def _make(client: "Client", one: Looked) -> dict[str, Any]:
    from backfilld.client import ApiError

    told = {"schedule": one.id, "workflow": one.name, "sessions": one.sessions, "backfillId": None, "problem": None}
    try:
        made = (await client.digdag.backfill_schedule(one.id, one.body or {})).data
    except ApiError as problem:
        return {**told, "sessions": 0, "problem": problem.message}
    return {**told, "sessions": len(made["attempts"]), "backfillId": made["backfillId"]}


def _word(status: str) -> str:
    if status in ("success", "error", "killed"):
        return "ok" if status == "success" else "failed"
    return "running"


def _print_looked(looked: Sequence[Looked]) -> None:
    days = sorted({day for one in looked for day in one.days})
    if len(days) <= MOST_DAYS:
        header = ["WORKFLOW", *days, "TO RUN", "PROBLEM"]
        rows = [[one.name, *(_cell(one.days.get(day)) for day in days), one.sessions, one.problem] for one in looked]
    else:
        header = ["WORKFLOW", "DAYS", "OK", "FAILED", "MISSING", "RUNNING", "TO RUN", "PROBLEM"]
        rows = []
        for one in looked:
            counts = sum(one.days.values(), Counter())
            kinds = [counts[word] for word in ("ok", "failed", "missing", "running")]
            rows.append([one.name, len(one.days), *kinds, one.sessions, one.problem])
    print_table(header, rows, empty="No schedules.")
    total = sum(one.sessions for one in looked)
    click.echo(f"{total} sessions of {sum(bool(one.sessions) for one in looked)} workflows would be run.", err=True)


def _cell(counts: Counter[str] | None) -> str:
    if not counts:
        return ""
    if len(counts) == 1 and sum(counts.values()) == 1:
        return next(iter(counts))
    return ", ".join(f"{counts[word]} {word}" for word in ("ok", "failed", "missing", "running") if counts[word])


def _plain(one: Looked) -> dict[str, Any]:
    days = {day: dict(counts) for day, counts in sorted(one.days.items())}
    return {"schedule": one.id, "workflow": one.name, "days": days, "to_run": one.sessions, "problem": one.problem}


def _code(problems: Sequence[str | None]) -> int:
    return exit_codes.ERROR if any(problems) else exit_codes.OK
