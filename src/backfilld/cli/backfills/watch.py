"""Following a backfill in a terminal, a log or a pipe, until it ends.

Three ways to say the same: a live picture for a terminal, a line now and then where there is none
(a log should neither be silent nor grow by the second), and one line of JSON an event for programs.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

import click

from backfilld.cli.backfills.progress_text import ending, failure, progress_line
from backfilld.cli.output.backfill_text import is_held, share, why
from backfilld.cli.output.error_output import Failure
from backfilld.cli.output.failure_groups import Errors, failures_of
from backfilld.cli.output.printing import print_json
from backfilld.cli.output.program import program
from backfilld.clock import Clock, SystemClock
from backfilld.domain.backfills.states import ACTIVE

if TYPE_CHECKING:
    from backfilld.client import Client

SECONDS_BETWEEN_LINES = 5.0
LOOKS_EVERY_SECONDS = 2.0  # at all that are active
AWAY_SECONDS = 60.0  # that a daemon may take to come back
MOST = 200
FAILURES_PER_SECOND = 100  # that are read of the ledger, to leave the daemon to its work


class View(Protocol):
    """Shows a backfill each time something about it has changed."""

    def show(self, backfill: dict[str, Any], errors: Errors) -> None: ...


async def watch(client: "Client", id: str, *, as_json: bool, until_held: bool = False) -> dict[str, Any]:
    """Show a backfill that goes on without us, until it ends; as it was then.

    `until_held`: or until somebody has to look at its sample or its plan, who may be whoever watches.
    """
    try:
        return await watch_until_end(client, id, as_json=as_json, until_held=until_held)
    except asyncio.CancelledError:
        click.echo(f"The backfill goes on. To see it again: {program()} backfills watch {id}", err=True)
        raise


async def watch_until_end(
    client: "Client", id: str, *, as_json: bool = False, quiet: bool = False, until_held: bool = False
) -> dict[str, Any]:
    """Show the backfill until it ends (`quiet`: only wait), or as in `watch`; as it was then."""
    clock = SystemClock()
    if as_json or quiet:
        return await _follow(client, id, JsonLines() if as_json else None, clock, until_held=until_held)
    if not sys.stdout.isatty():
        last = await _follow(client, id, PlainLines(clock), clock, until_held=until_held)
    else:
        from backfilld.cli.backfills.live_view import LiveView

        view = LiveView(clock)
        with view:
            last = await _follow(client, id, view, clock, until_held=until_held)
    click.echo(ending(last))
    return last


async def _follow(client: "Client", id: str, view: View | None, clock: Clock, *, until_held: bool) -> dict[str, Any]:
    """The last look at it."""
    failures = Failures(client, id, clock)
    last: dict[str, Any] | None = None
    async with aclosing(client.follow(id)) as events:
        async for event in events:
            last = event.backfill
            if view is not None:
                view.show(last, [] if isinstance(view, JsonLines) else await failures.after(event.kind, last))
            if until_held and is_held(last):
                break
    if last is None:
        raise Failure("the stream of events ended without one")
    return last


class Failures:
    """The classes of failures, looked at again when there are more: at once while they are few, else now and then."""

    def __init__(self, client: "Client", id: str, clock: Clock) -> None:
        self._client = client
        self._id = id
        self._clock = clock
        self._known = 0
        self._look_at = 0.0
        self._found: Errors = []

    async def after(self, kind: str, backfill: dict[str, Any]) -> Errors:
        failed = backfill["failed_count"]
        if failed > self._known and (kind == "end" or self._clock.monotonic() >= self._look_at):
            self._found = await failures_of(self._client, self._id)
            self._known = failed
            self._look_at = self._clock.monotonic() + failed / FAILURES_PER_SECOND
        return self._found


class JsonLines:
    """Each event's backfill as one line of JSON."""

    def show(self, backfill: dict[str, Any], errors: Errors) -> None:
        print_json({"backfill": backfill})


class PlainLines:
    """A line when the status or its reason changes, when a new kind of failure turns up, else every few seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: tuple[object, ...] | None = None
        self._said_at = 0.0
        self._known_errors: set[tuple[str, str]] = set()

    def show(self, backfill: dict[str, Any], errors: Errors) -> None:
        for error in errors:
            kind = (error["error_class"], error["message"])
            if kind not in self._known_errors:
                self._known_errors.add(kind)
                click.echo(f"{self._time()}  failure: {failure(error)}")
        stands = (backfill["status"], (backfill.get("status_reason") or {}).get("code"))
        at = self._clock.monotonic()
        if stands != self._said or at - self._said_at >= SECONDS_BETWEEN_LINES:
            self._said, self._said_at = stands, at
            click.echo(f"{self._time()}  {progress_line(backfill, self._clock)}")

    def _time(self) -> str:
        return self._clock.now().astimezone().strftime("%H:%M:%S")


async def active(client: "Client") -> list[dict[str, Any]]:
    """Those that have not ended, newest first."""
    statuses = [str(status) for status in sorted(ACTIVE)]
    return list((await client.list_backfills(status=statuses, page_size=MOST)).data["backfills"])


async def watch_all(client: "Client", *, as_json: bool) -> None:
    """Until none is active any more."""
    clock = SystemClock()
    async with aclosing(_looks(client, clock)) as looks:
        if as_json or not sys.stdout.isatty():
            await _lines(looks, clock, as_json=as_json)
        else:
            await _table(looks)
    if not as_json:
        click.echo("Nothing is active any more.")


async def _looks(client: "Client", clock: Clock) -> AsyncGenerator[list[dict[str, Any]], None]:
    """What is active, again and again, until nothing is. A daemon that goes away is waited for, as one is that starts
    anew; ServerUnreachable once that takes too long, and at once if there never was one."""
    from backfilld.client import ServerUnreachable

    seen_at: float | None = None
    while True:
        try:
            found = await active(client)
        except ServerUnreachable:
            if seen_at is None or clock.monotonic() - seen_at > AWAY_SECONDS:
                raise
        else:
            seen_at = clock.monotonic()
            if not found:
                return
            yield found
        await clock.sleep(LOOKS_EVERY_SECONDS)


async def _table(looks: AsyncGenerator[list[dict[str, Any]], None]) -> None:
    from rich.console import Console
    from rich.live import Live

    from backfilld.cli.output.fitted import fitted

    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        async for found in looks:
            live.update(fitted(HEADER, [cells(one) for one in found]), refresh=True)


HEADER = ("ID", "STATUS", "DONE", "FAILED", "NAME", "WHY")


def cells(one: dict[str, Any]) -> tuple[object, ...]:
    """A row of the table."""
    name = one.get("name") or one["target_workflow_name"]
    return one["id"][:8], one["status"], share(one), one["failed_count"], name, why(one)


async def _lines(looks: AsyncGenerator[list[dict[str, Any]], None], clock: Clock, *, as_json: bool) -> None:
    """A line whenever something of one has changed."""
    known = dict[str, tuple[object, ...]]()
    async for found in looks:
        for one in found:
            row = cells(one)
            if known.get(one["id"]) == row:
                continue
            known[one["id"]] = row
            if as_json:
                print_json({"backfill": one})
            else:
                told = "  ".join("-" if cell is None else str(cell) for cell in row)
                click.echo(f"{clock.now().astimezone():%H:%M:%S}  {told}")
