"""Times as people write them: with an offset, by the workflow's clock, or as a mere date, which is its midnight."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from backfilld.client import Client

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
TIME_ASKED = "query/session_time"  # how the daemon names what it was sent, which is not how somebody gave it
_OFFSET = re.compile(r"(?:[Zz]|[+-]\d\d:?\d\d)$")


def has_offset(text: str) -> bool:
    """Whether everybody reads it as the same instant."""
    return _DATE.fullmatch(text) is None and _OFFSET.search(text) is not None


def with_time_of_day(text: str) -> str:
    """A mere date as its midnight, anything else as it is."""
    return f"{text}T00:00:00" if _DATE.fullmatch(text) else text


async def with_offset(client: "Client", workflow_id: int, text: str, option: str) -> str:
    """The same time with its offset; the daemon knows the workflow's zone. `option`: where it was given."""
    from backfilld.client import ApiError

    if has_offset(text):
        return text
    try:
        return await client.digdag.session_time(workflow_id, with_time_of_day(text))
    except ApiError as refusal:
        asked = f"{TIME_ASKED}: "
        if not refusal.message.startswith(asked):
            raise
        raise click.BadParameter(f"{text!r} {refusal.message.removeprefix(asked)}", param_hint=option) from refusal


async def zone_of(client: "Client", workflow: Mapping[str, Any]) -> str | None:
    """The zone of a workflow that an answer names: session times bring their offset along, which was another one
    before the clocks changed. None where it cannot be had."""
    from backfilld.client import ApiError

    try:
        return str((await client.digdag.get_workflow(workflow["id"]))["timezone"])
    except ApiError:
        return None
