"""A body that asks for another backfill like one that there is."""

from dataclasses import fields
from typing import Any
from uuid import UUID

from pydantic import RootModel

from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.bodies import CreateBackfill
from backfilld.api.public.backfills.routes import ONE, TAG
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.steering.clone import Clone

# `reason` and `total_estimated` were said of that one alone; of ids and dates see below.
_CARRIED = tuple(
    one.name
    for one in fields(BackfillSettings)
    if one.name in CreateBackfill.model_fields.keys() - {"reason", "total_estimated", "excluded_dates"}
)


class CloneData(RootModel[dict[str, Any]]):
    """A body of POST /public-api/backfills, as it is."""


def body_of(clone: Clone) -> dict[str, Any]:
    """What was chosen, by the names of a body; what nobody chose is left out."""
    settings, backfill = clone.settings, clone.backfill
    chosen = {name: getattr(settings, name) for name in _CARRIED}
    body = {name: value for name, value in chosen.items() if value is not None} | {
        "excluded_dates": sorted(settings.excluded_dates),
        "target_workflow_id": backfill.workflow_id,
    }
    if clone.entity_ids is None:
        return body
    was_asked = backfill.filter_resolved is not None
    return body | {"entity_ids": clone.entity_ids, "filter_spec": settings.filter_spec if was_asked else {}}


class CloneRoute:
    """The handler."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._cloner = operations.cloner

    async def clone(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(body_of(await self._cloner.clone(asked.path["id"])))


def routes(operations: BackfillOperations) -> list[Route]:
    """One."""
    does = CloneRoute(operations)
    return [
        Route("GET", ONE + "/clone", does.clone, "viewer", "Show what asks for another like it", CloneData,
              path_types={"id": UUID}, errors=(409,), tag=TAG,
              description="A body of POST as it is. 409 `not_clonable`: more ids than one may name."),
    ]  # fmt: skip
