"""`backfilld demo`: a real daemon, a real target, a real backfill, on an embedded database, in under a minute.

Nothing here is special to the demo: the daemon is `backfilld serve` with a configuration file, the tickets come in
and the backfill is created through the public API, and what is shown is what `backfills watch` shows.
"""

import asyncio
import os
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.options import json_option
from backfilld.cli.output import exit_codes
from backfilld.cli.running import run
from backfilld.domain.access.callers import Actor

if TYPE_CHECKING:
    from backfilld.cli.demo.temporal import TemporalPart

GOOD_ENDS = ("completed", "completed_with_failures")


DEMO = Actor.local("demo")


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave the daemon and its target running, and say how to stop them.")
@click.option(
    "--state-directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the demo keeps its database and logs. Default: ~/.local/state/backfilld-demo",
)
@click.option(
    "--engine",
    type=click.Choice(["temporal"]),
    help="Have the work done by an engine: Temporal's development server and a worker, which is killed in the middle.",
)
@json_option
def command(keep: bool, state_directory: Path | None, engine: str | None, as_json: bool) -> None:
    """Watch a real backfill: 2,500 tickets, a filter that picks some, a target that does not always behave."""
    demo = Demo(state_directory, keep=keep, as_json=as_json, on_temporal=engine is not None)
    raise click.exceptions.Exit(run(demo.run()))


class Demo:
    """One run. Whatever it started is ended with it, unless it is to be kept."""

    def __init__(self, directory: Path | None, *, keep: bool, as_json: bool, on_temporal: bool = False) -> None:
        from backfilld.cli.demo.folder import Folder, clean_environment, default_folder
        from backfilld.cli.demo.processes import Processes
        from backfilld.clock import SystemClock

        self._clock = SystemClock()
        self._environ = clean_environment(os.environ)
        self._folder = Folder((directory or default_folder(os.environ)).absolute())
        self._processes = Processes(self._folder, self._environ, self._clock, keep=keep)
        self._keep = keep
        self._as_json = as_json
        self._temporal = self._part_on_temporal() if on_temporal else None

    async def run(self) -> int:
        """The exit code."""
        finished = False
        try:
            status = await self._play()
            finished = True
        finally:
            if not (self._keep and finished):
                await self._processes.stop()
        if not self._keep:
            self._say("daemon and target have ended")
        return exit_codes.OK if status in GOOD_ENDS else exit_codes.ERROR

    async def _play(self) -> str:
        from backfilld.cli.backfills.watch import watch_until_end
        from backfilld.cli.demo import scenes, story
        from backfilld.cli.demo.terminal import enter, is_watched
        from backfilld.client import Client

        started = self._clock.monotonic()
        goes_on = self._folder.has_database
        self._folder.prepare()
        self._say(f"everything of the demo lies in {self._folder.root}")
        if goes_on:
            self._say("it goes on with the database of an earlier demo; to begin anew, remove that folder first")
        await self._start_target()
        self._say(f"starting the daemon, {'on' if goes_on else 'and making'} a PostgreSQL of its own …")
        url = await self._processes.start_daemon()
        async with Client(url) as nobody:
            await story.wait_until_ready(nobody, self._clock)
        key, link = await self._make_key()
        sign_in = f"{url}/sign-in?once={link}"
        self._say(f"the daemon serves at {url}")
        self._say(f"watch it in a browser; this link signs in once, within five minutes:\n  {sign_in}")
        async with Client(url, key) as client:
            await story.load_tickets(client, self._say)
            backfill = await story.create(client, self._clock, self._say)
            if not self._as_json:
                click.echo()
            id = backfill["id"]
            watching = watch_until_end(client, id, quiet=self._as_json)
            if self._temporal is None:
                await watching
            else:
                await _both(watching, self._temporal.kill_in_the_middle(client, id))
            told = await story.summary(client, id)
            if self._temporal is not None:
                told |= await self._temporal.told(id, told["tries"])
            elif self._keep:
                await scenes.play(client, self._clock, id, self._say)
                told["scenes"] = True
        told |= {"seconds": round(self._clock.monotonic() - started, 1), "url": url, "api_key": key, "sign_in": sign_in}
        told["pids"] = self._processes.pids if self._keep else []
        self._tell(told)
        if not (self._keep or self._as_json) and is_watched():
            click.echo("\nEverything goes on until you press Enter here. ", nl=False)
            await enter()
        return str(told["backfill"]["status"])

    def _part_on_temporal(self) -> "TemporalPart":
        from backfilld.cli.demo.temporal import TemporalPart

        return TemporalPart(self._processes, self._clock, self._say)

    async def _start_target(self) -> None:
        """Whoever does the work, and settings that say so."""
        from backfilld.cli.demo import scenes

        if self._temporal is None:
            target = await self._processes.start_target()
            self._folder.write_config(target, *((scenes.WORKFLOWS, (scenes.AWAY,)) if self._keep else ()))
            self._say(f"a target listens at {target}: it classifies tickets, and does not always behave")
            return
        address = await self._temporal.start(self._folder.root)
        self._folder.write_config_on_temporal(address)
        self._say(f"a server of Temporal listens at {address}; its worker classifies tickets, and has its moods")

    async def _make_key(self) -> tuple[str, str]:
        """An admin's key that lives for a week, and a link that signs in once; keys of earlier demos are revoked."""
        from backfilld.cli.admin.database import migrated_pool
        from backfilld.operations.keys import create_key, list_keys, revoke_key
        from backfilld.operations.web_sessions import WebSessions

        async with migrated_pool(self._folder.config, self._environ, quiet=True) as (_, pool):
            for old in await list_keys(pool):
                if old.name == "demo" and old.revoked_at is None:
                    await revoke_key(pool, self._clock, old.id, actor=DEMO)
            expires_at = self._clock.now() + timedelta(days=7)
            made = await create_key(
                pool, self._clock, name="demo", role="admin", actor=DEMO, expires_at=expires_at, environment="demo"
            )
            return made.key, await WebSessions(pool, self._clock).make_link(made.id)

    def _say(self, text: str) -> None:
        """A sentence; a link below it is a line of its own, and stays whole."""
        from backfilld.cli.output.printing import print_prose

        said, *links = text.split("\n")
        if self._as_json:
            click.echo(f"{click.style('•', fg='green')} {text}", err=True)
            return
        click.echo(f"{click.style('•', fg='green')} ", nl=False)
        print_prose(said, indent=2)
        for link in links:
            click.echo(link)

    def _tell(self, told: dict[str, Any]) -> None:
        from backfilld.cli.demo.summary import print_summary
        from backfilld.cli.output.printing import print_json

        if self._as_json:
            print_json(told)
        else:
            print_summary(told)


async def _both(one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, None]) -> None:
    """Side by side; what the first of them raises ends both."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(one)
            both.create_task(other)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
