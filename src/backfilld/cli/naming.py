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

    return click.argument("id", required=required)(named)  # type: ignore[return-value]


async def _asked(server: Server, given: str) -> str:
    async with server.client() as client:
        return await backfill_id(client, given)
