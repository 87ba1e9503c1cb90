"""What a shell completes where a command names something: ids, names and types, by what the daemon knows.

A table and not a word beside each option: whoever adds one is asked by a test (tests/cli/test_completion.py) what it
names, and options of the same name complete alike in every command.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.completion import listed
from backfilld.cli.completion.listed import Named
from backfilld.cli.running import run

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from backfilld.client import Client

MOST_LISTED = 200
SECONDS = 2.0  # that a shell waits for the daemon
Lister = Callable[["Client", dict[str, Any]], AsyncIterator[Named]]
Known = Callable[[], Iterable[str]]

# By the name of a parameter, whatever the command; a group, or a group and its command, in front where it differs.
LISTED: dict[str, Lister] = {
    "backfills id": listed.backfills,
    "backfills cancel name": listed.backfill_names,
    "backfills pause name": listed.backfill_names,
    "backfills resume name": listed.backfill_names,
    "backfills entity entity_id": listed.ledger,
    "error_class": listed.error_classes,
    "error_group": listed.error_groups,
    "workflow": listed.workflows,
    "schedules id": listed.schedules,
    "schedules unmirror id": listed.mirrors,
    "schedules list project": listed.project_ids,
    "sessions list project": listed.project_ids,
    "sessions id": listed.sessions,
    "project": listed.projects,
    "projects name": listed.projects,
    "attempts id": listed.attempts,
    "entities id": listed.entities,
    "target": listed.targets,
    "brakes name": listed.brakes,
    "notifications name": listed.notifications,
    "notifications id": listed.deliveries,
    "engines name": listed.engines,
    "engine": listed.engines,
    "keys id": listed.keys,
}
KNOWN: dict[str, Known] = {
    "entity_type": listed.types,
    "timezone": listed.zones,
    "reason_code": listed.reasons,
    "profile": listed.profiles,
}


def completer(path: tuple[str, ...], name: str) -> Lister | Known | None:
    """What completes the parameter `name` of the command at `path`."""
    for key in (" ".join((*path, name)), f"{path[0]} {name}", name):
        if found := LISTED.get(key) or KNOWN.get(key):
            return found
    return None


def complete(command: click.Command, path: tuple[str, ...]) -> None:
    """Teach the command, with all below it, to complete what it names."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            complete(below, (*path, name))
    for parameter in command.params:
        found = completer(path, parameter.name or "")
        if found is not None and not isinstance(parameter.type, click.Choice):
            parameter._custom_shell_complete = _words(found)


def _words(source: Lister | Known) -> Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]:
    def words(context: click.Context, parameter: click.Parameter, begun: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        every = _known(source, context)
        return [CompletionItem(word, help=said or None) for word, said in dict(every).items() if word.startswith(begun)]

    return words


def _known(source: Any, context: click.Context) -> list[Named]:
    if source in KNOWN.values():
        return [(word, "") for word in sorted(source())]
    try:
        return run(_asked(source, context))
    except Exception:
        return []  # a shell has no use for the reason


async def _asked(source: Lister, context: click.Context) -> list[Named]:
    """By the same address and key as the command would use."""
    import asyncio

    import backfilld.client  # noqa: F401 - what that takes is not the daemon's
    from backfilld.cli.options import server_of

    server = server_of(
        context.params.get("url") or os.environ.get("BACKFILLD_URL"), os.environ.get("BACKFILLD_API_KEY")
    )
    async with asyncio.timeout(SECONDS), server.client() as client:
        found: list[Named] = []
        async for named in source(client, _given(context)):
            found.append(named)
            if len(found) == MOST_LISTED:
                break
        return found


def _given(context: click.Context) -> dict[str, Any]:
    """What stands before the word; behind an option without its value click leaves the arguments unread."""
    given, unread = dict(context.params), list(context.args)
    for parameter in context.command.params:
        if isinstance(parameter, click.Argument) and given.get(parameter.name or "") is None and unread:
            given[parameter.name or ""] = unread.pop(0)
    return given
