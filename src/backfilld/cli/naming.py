"""How people name a backfill: by its id, the beginning of that, or `last`."""

import functools
from collections.abc import Callable, Iterable
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
    if not is_beginning(given):
        return given
    found = (await client.list_backfills(q=given, page_size=200)).data["backfills"]
    return the_one(given, (str(one["id"]) for one in found), "backfill")


def the_one(given: str, ids: Iterable[str], what: str) -> str:
    """The only one of `ids` that begins so. Failure if none does, or several do."""
    fitting = [id for id in ids if id.startswith(given.lower())]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise Failure(f"no {what}'s id begins with {given}", exit_code=exit_codes.NOT_FOUND, code="not_found")
    several = ", ".join(fitting[:MOST_NAMED]) + (", …" if len(fitting) > MOST_NAMED else "")
    raise Failure(f"{len(fitting)} {what}s' ids begin with {given}: {several}", exit_code=exit_codes.USAGE)


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


def is_beginning(given: str) -> bool:
    """Whether it may stand for an id that begins so; a whole id does not."""
    return (
        not _is_whole(given)
        and SHORTEST <= len(given) < 36
        and all(char in "0123456789abcdef-" for char in given.lower())
    )


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
