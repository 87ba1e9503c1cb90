"""How people name a backfill: by its id, the beginning of that, or `last`."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from backfilld.cli.options import Server
from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure
from backfilld.cli.running import run

if TYPE_CHECKING:
    from backfilld.client import Client

LAST = "last"
SHORTEST = 4  # of the beginning of an id
MOST_NAMED = 5
MOST_COMPLETED = 50
COMPLETING_SECONDS = 2.0
Command = TypeVar("Command", bound=Callable[..., Any])


async def backfill_id(client: "Client", given: str) -> str:
    """The whole id; what is no beginning of one is passed on as it is. Failure if it is none's, or several's."""
    if given == LAST:
        newest = (await client.list_backfills(page_size=1)).data["backfills"]
        if not newest:
            raise Failure("there is no backfill yet", exit_code=exit_codes.NOT_FOUND, code="not_found")
        return str(newest[0]["id"])
    if _is_whole(given) or not _is_beginning(given):
        return given
    found = (await client.list_backfills(q=given, page_size=200)).data["backfills"]
    ids = [str(one["id"]) for one in found if str(one["id"]).startswith(given.lower())]
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise Failure(f"no backfill's id begins with {given}", exit_code=exit_codes.NOT_FOUND, code="not_found")
    several = ", ".join(ids[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
    raise Failure(f"{len(ids)} backfills' ids begin with {given}: {several}", exit_code=exit_codes.USAGE)


async def zone_of(client: "Client", id: str) -> str | None:
    """The zone of a backfill; None of one that was deleted."""
    from backfilld.client import ApiError

    try:
        return str((await client.get_backfill(id)).data["backfill"]["timezone"])
    except ApiError:
        return None


def _is_whole(given: str) -> bool:
    try:
        UUID(given)
    except ValueError:
        return False
    return True


def _is_beginning(given: str) -> bool:
    return SHORTEST <= len(given) < 36 and all(char in "0123456789abcdef-" for char in given.lower())


def backfill_argument(command: Command) -> Command:
    """The argument ID; the command is handed the whole `id`."""
    return _argument(command, required=True)


def optional_backfill_argument(command: Command) -> Command:
    """The same, where it may be left out: then `id` is None."""
    return _argument(command, required=False)


def _argument(command: Command, *, required: bool) -> Command:
    @functools.wraps(command)
    def named(*, server: Server, id: str | None, **rest: Any) -> Any:
        if id is not None and (id == LAST or not _is_whole(id)):
            id = run(_asked(server, id))
        return command(server=server, id=id, **rest)

    declare = click.argument("id", required=required, shell_complete=complete_backfills)
    return declare(named)  # type: ignore[return-value]


async def _asked(server: Server, given: str) -> str:
    async with server.client() as client:
        return await backfill_id(client, given)


def complete_backfills(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Ids with names, for a shell; nothing where the daemon does not answer at once."""
    from click.shell_completion import CompletionItem

    found = completed(ctx, lambda client: client.list_backfills(page_size=MOST_COMPLETED), "backfills")
    return [
        CompletionItem(one["id"], help=f"{one['status']} {one.get('name') or one['target_workflow_name']}")
        for one in found
        if str(one["id"]).startswith(incomplete)
    ]


def complete_workflows(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Names of workflows."""
    found = completed(ctx, lambda client: client.list_workflows(page_size=200), "workflows")
    return [one["name"] for one in found if str(one["name"]).startswith(incomplete)]


def complete_types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Entity types."""
    from backfilld.domain.entities.records import ENTITY_TYPES

    return [name for name in ENTITY_TYPES if name.startswith(incomplete)]


def completed(ctx: click.Context, ask: Callable[["Client"], Any], key: str) -> list[dict[str, Any]]:
    """What the daemon lists, by the same address and key as the command would use."""
    import asyncio
    import os

    from backfilld.cli.options import DEFAULT_URL

    url = ctx.params.get("url") or os.environ.get("BACKFILLD_URL") or DEFAULT_URL
    server = Server(url, os.environ.get("BACKFILLD_API_KEY"))

    async def asked() -> list[dict[str, Any]]:
        async with asyncio.timeout(COMPLETING_SECONDS), server.client() as client:
            return list((await ask(client)).data[key])

    try:
        return run(asked())
    except Exception:
        return []  # a shell has no use for the reason
