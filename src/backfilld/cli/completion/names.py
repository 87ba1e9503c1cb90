"""What a shell completes where a command names something: ids, names and types, by what the daemon knows.

A table and not a word beside each option: whoever adds one is asked by a test (tests/cli/test_completion.py) what it
names, and options of the same name complete alike in every command.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.running import run

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from backfilld.client import Client

MOST = 50  # a page of what there may be many
MOST_LISTED = 200
SECONDS = 2.0
Named = tuple[str, str]  # the word, and what is said beside it
Lister = Callable[["Client", dict[str, Any]], AsyncIterator[Named]]
Known = Callable[[], Iterable[str]]


async def _backfills(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_backfills(page_size=MOST)).data["backfills"]:
        yield one["id"], f"{one['status']} {one.get('name') or one['target_workflow_name']}"


async def _backfill_names(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_backfills(page_size=MOST)).data["backfills"]:
        if one.get("name"):
            yield one["name"], one["status"]


async def _ledger(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    from backfilld.cli.naming import backfill_id

    id = await backfill_id(client, str(given.get("id")))
    for one in (await client.list_ledger(id, page_size=MOST)).data["entities"]:
        yield one["entity_id"], one["status"]


async def _error_classes(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    async for error in _errors(client, given):
        yield error["error_class"], ""


async def _error_groups(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    async for error in _errors(client, given):
        yield error["error_group"], f"{error['count']} {error['error_class']} {error['message']}"


async def _errors(client: "Client", given: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    from backfilld.cli.naming import backfill_id

    id = await backfill_id(client, str(given.get("id")))
    for error in (await client.list_errors(id)).data["errors"]:
        yield error


async def _workflows(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_workflows(page_size=200)).data["workflows"]:
        yield one["name"], one["project"]


async def _schedules(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("schedules", "/schedules", page_size=MOST):
        yield str(one["id"]), f"{one['project']['name']}/{one['workflow']['name']}"


async def _attempts(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("attempts", "/attempts", page_size=MOST):
        yield str(one["id"]), f"{one['project']['name']}/{one['workflow']['name']} {one['sessionTime']}"


async def _sessions(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("sessions", "/sessions", page_size=MOST):
        yield str(one["id"]), f"{one['project']['name']}/{one['workflow']['name']} {one['sessionTime']}"


async def _projects(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("projects", "/projects", page_size=MOST):
        yield one["name"], f"project {one['id']}"


async def _project_ids(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("projects", "/projects", page_size=MOST):
        yield str(one["id"]), one["name"]


async def _mirrors(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_mirrors()).data["mirrors"]:
        yield str(one["id"]), f"{one['engine']} {one['project']}/{one['workflow']}"


async def _entities(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_entities(str(given.get("entity_type")), page_size=MOST)).data["entities"]:
        yield one["id"], ""


async def _targets(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_targets()).data["targets"]:
        yield one["target"], ", ".join(one.get("workflows") or ())


async def _brakes(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_brakes()).data["brakes"]:
        yield one["name"], ""


async def _notifications(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_notifications()).data["notifications"]:
        yield one["name"], ""


async def _deliveries(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_deliveries(str(given.get("name")), page_size=MOST)).data["deliveries"]:
        yield one["id"], one.get("state") or ""


async def _engines(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_engines()).data["engines"]:
        yield one["name"], one.get("type") or ""


async def _keys(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_api_keys(page_size=MOST)).data["api_keys"]:
        yield one["id"], one["name"]


def _types() -> Iterable[str]:
    from backfilld.domain.entities.records import ENTITY_TYPES

    return ENTITY_TYPES


def _zones() -> Iterable[str]:
    from zoneinfo import available_timezones

    return available_timezones()


def _reasons() -> Iterable[str]:
    from backfilld.domain.backfills.states import ReasonCode

    return [str(code) for code in ReasonCode]


def _profiles() -> Iterable[str]:
    from backfilld.cli.profiles import names

    return names()


# By the name of a parameter, whatever the command; a group, or a group and its command, in front where it differs.
LISTED: dict[str, Lister] = {
    "backfills id": _backfills,
    "backfills cancel name": _backfill_names,
    "backfills pause name": _backfill_names,
    "backfills resume name": _backfill_names,
    "backfills entity entity_id": _ledger,
    "error_class": _error_classes,
    "error_group": _error_groups,
    "workflow": _workflows,
    "schedules id": _schedules,
    "schedules unmirror id": _mirrors,
    "schedules list project": _project_ids,
    "sessions list project": _project_ids,
    "sessions id": _sessions,
    "project": _projects,
    "projects name": _projects,
    "attempts id": _attempts,
    "entities id": _entities,
    "target": _targets,
    "brakes name": _brakes,
    "notifications name": _notifications,
    "notifications id": _deliveries,
    "engines name": _engines,
    "engine": _engines,
    "keys id": _keys,
}
KNOWN: dict[str, Known] = {
    "entity_type": _types,
    "timezone": _zones,
    "reason_code": _reasons,
    "profile": _profiles,
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
