"""The options that several commands share, and what they are turned into."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from backfilld.cli.output.error_output import WANTS_JSON
from backfilld.cli.profiles import present

if TYPE_CHECKING:
    from backfilld.client import Client

DEFAULT_URL = "http://127.0.0.1:8642"
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Server:
    """Which daemon to ask, and as whom."""

    url: str
    api_key: str | None

    @asynccontextmanager
    async def client(self) -> "AsyncIterator[Client]":
        from backfilld.client import Client

        async with Client(self.url, self.api_key) as client:
            yield client


def server_of(url: str | None, api_key: str | None) -> Server:
    """The daemon that was named, else the one that `login` has kept. BadParameter if it is no address or no key."""
    key = (api_key or "").strip()
    if url is None or not key:
        kept = present()
        url = url or (kept.url if kept else DEFAULT_URL)
        key = key or (kept.api_key if kept and kept.url == url.rstrip("/") else "")
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is not an address; write it as http://HOST:PORT", param_hint="--url")
    if not (key.isascii() and key.isprintable()):
        raise click.BadParameter("holds characters that no key has", param_hint="--api-key")
    return Server(url, key or None)


def server_options(command: Command) -> Command:
    """`--url` and `--api-key`; the command is handed `server: Server`."""

    def join(context: click.Context, parameter: click.Parameter, value: str | None) -> Server:
        return server_of(context.params.pop("url"), value)

    url = click.option(
        "--url",
        envvar="BACKFILLD_URL",
        show_envvar=True,
        is_eager=True,
        help=f"Where the daemon is.  [default: as `login` has kept, else {DEFAULT_URL}]",
    )
    key = click.option(
        "--api-key",
        "server",
        envvar="BACKFILLD_API_KEY",
        show_envvar=True,
        callback=join,
        help="Who is asking. The variable keeps it out of the list of processes.",
    )
    return url(key(command))


def json_option(command: Command) -> Command:
    """`--json`; the command is handed `as_json: bool`, and its errors become JSON too."""

    def remember(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
        context.meta[WANTS_JSON] = value
        return value

    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=remember, help="Print JSON, also for errors."
    )(command)


def reason_option(command: Command) -> Command:
    """`--reason`; the command is handed `reason: str | None`."""
    return click.option("--reason", help="Kept in the audit trail.")(command)


def limit_option(command: Command) -> Command:
    """`--limit`; the command is handed `limit: int`."""
    return click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most so many.")(
        command
    )


def config_option(command: Command) -> Command:
    """`--config`; the command is handed `config: Path | None`."""
    return click.option(
        "--config",
        "config",
        envvar="BACKFILLD_CONFIG",
        show_envvar=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help="The daemon's configuration file. Left out: defaults and environment.",
    )(command)
