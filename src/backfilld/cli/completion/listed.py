"""What there is of each kind of thing that commands name: by what the daemon lists, or always the same."""

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backfilld.client import Client

MOST = 50  # a page of what there may be many
Named = tuple[str, str]  # the word, and what is said beside it


async def backfills(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_backfills(page_size=MOST)).data["backfills"]:
        yield one["id"], f"{one['status']} {one.get('name') or one['target_workflow_name']}"


async def backfill_names(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_backfills(page_size=MOST)).data["backfills"]:
        if one.get("name"):
            yield one["name"], one["status"]


async def ledger(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    from backfilld.cli.naming import backfill_id

    id = await backfill_id(client, str(given.get("id")))
    for one in (await client.list_ledger(id, page_size=MOST)).data["entities"]:
        yield one["entity_id"], one["status"]


async def error_classes(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    async for error in _errors(client, given):
        yield error["error_class"], ""


async def error_groups(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    async for error in _errors(client, given):
        yield error["error_group"], f"{error['count']} {error['error_class']} {error['message']}"


async def _errors(client: "Client", given: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    from backfilld.cli.naming import backfill_id

    id = await backfill_id(client, str(given.get("id")))
    for error in (await client.list_errors(id)).data["errors"]:
        yield error


async def workflows(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_workflows(page_size=200)).data["workflows"]:
        yield one["name"], one["project"]


async def schedules(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("schedules", "/schedules", page_size=MOST):
        yield str(one["id"]), f"{one['project']['name']}/{one['workflow']['name']}"


async def attempts(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("attempts", "/attempts", page_size=MOST):
        yield str(one["id"]), f"{one['project']['name']}/{one['workflow']['name']} {one['sessionTime']}"


async def sessions(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("sessions", "/sessions", page_size=MOST):
        yield str(one["id"]), f"{one['project']['name']}/{one['workflow']['name']} {one['sessionTime']}"


async def projects(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("projects", "/projects", page_size=MOST):
        yield one["name"], f"project {one['id']}"


async def project_ids(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    async for one in client.digdag.every("projects", "/projects", page_size=MOST):
        yield str(one["id"]), one["name"]


async def mirrors(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_mirrors()).data["mirrors"]:
        yield str(one["id"]), f"{one['engine']} {one['project']}/{one['workflow']}"


async def entities(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_entities(str(given.get("entity_type")), page_size=MOST)).data["entities"]:
        yield one["id"], ""


async def targets(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_targets()).data["targets"]:
        yield one["target"], ", ".join(one.get("workflows") or ())


async def brakes(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_brakes()).data["brakes"]:
        yield one["name"], ""


async def notifications(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_notifications()).data["notifications"]:
        yield one["name"], ""


async def deliveries(client: "Client", given: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_deliveries(str(given.get("name")), page_size=MOST)).data["deliveries"]:
        yield one["id"], one.get("state") or ""


async def engines(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_engines()).data["engines"]:
        yield one["name"], one.get("type") or ""


async def keys(client: "Client", _: dict[str, Any]) -> AsyncIterator[Named]:
    for one in (await client.list_api_keys(page_size=MOST)).data["api_keys"]:
        yield one["id"], one["name"]


def types() -> Iterable[str]:
    from backfilld.domain.entities.records import ENTITY_TYPES

    return ENTITY_TYPES


def zones() -> Iterable[str]:
    from zoneinfo import available_timezones

    return available_timezones()


def reasons() -> Iterable[str]:
    from backfilld.domain.backfills.states import ReasonCode

    return [str(code) for code in ReasonCode]


def profiles() -> Iterable[str]:
    from backfilld.cli.profiles import names

    return names()
