"""What failed, by class and message."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backfilld.client import Client

MOST_LOOKED_AT = 2_000
EXAMPLES = 5
_NUMBERS = re.compile(r"\d+")

Errors = list[dict[str, Any]]


async def failures_of(client: "Client", id: str, *, status: str = "failed") -> Errors:
    """`{error_class, message, count, entity_ids}` of the backfill, most frequent first.

    `status` `retrying`: the last failure of each that waits for another try; these are gathered from its ledger, and of
    more than MOST_LOOKED_AT only so many are counted.
    """
    if status == "failed":
        errors: Errors = (await client.list_errors(id)).data["errors"]
        return errors
    found: dict[tuple[str, str], dict[str, Any]] = {}
    looked_at = 0
    async for item in client.every("entities", f"/backfills/{id}/entities", status=status):
        message = item["error"] or ""
        kind = (item["error_class"], _NUMBERS.sub("N", message))  # so that ids and times do not keep equals apart
        error = found.setdefault(
            kind, {"error_class": item["error_class"], "message": message, "count": 0, "entity_ids": []}
        )
        error["count"] += 1
        if len(error["entity_ids"]) < EXAMPLES:
            error["entity_ids"].append(item["entity_id"])
        looked_at += 1
        if looked_at == MOST_LOOKED_AT:
            break
    return sorted(found.values(), key=lambda error: -error["count"])
