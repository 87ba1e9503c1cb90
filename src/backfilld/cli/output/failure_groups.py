"""What failed, by class and message."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backfilld.client import Client

from backfilld.domain.backfills.failures.fingerprints import common_text, fingerprint

MOST_LOOKED_AT = 2_000
EXAMPLES = 5
COMPARED = 20  # messages of a group

Errors = list[dict[str, Any]]


async def failures_of(client: "Client", id: str, *, status: str = "failed") -> Errors:
    """`{error_class, message, count, entity_ids}` of the backfill, most frequent first.

    `status` `retrying`: the last failure of each that waits for another try; these are gathered from its ledger, and of
    more than MOST_LOOKED_AT only so many are counted.
    """
    if status == "failed":
        errors: Errors = (await client.list_errors(id)).data["errors"]
        return errors
    found: dict[bytes, tuple[dict[str, Any], list[str]]] = {}
    looked_at = 0
    async for item in client.every("entities", f"/backfills/{id}/entities", status=status):
        message = item["error"] or ""
        error, messages = found.setdefault(
            fingerprint(item["error_class"], message),
            ({"error_class": item["error_class"], "message": message, "count": 0, "entity_ids": []}, []),
        )
        error["count"] += 1
        if len(error["entity_ids"]) < EXAMPLES:
            error["entity_ids"].append(item["entity_id"])
        if len(messages) < COMPARED:
            messages.append(message)
        looked_at += 1
        if looked_at == MOST_LOOKED_AT:
            break
    grouped = (error | {"message": common_text(messages)} for error, messages in found.values())
    return sorted(grouped, key=lambda error: -error["count"])
