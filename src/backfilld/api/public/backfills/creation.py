"""Making a backfill out of a body, for whoever has one: the route, and the form of the dashboard."""

from collections.abc import Mapping
from typing import Any

from backfilld.api.framework.routing import Reply
from backfilld.api.public.backfills.answers import BackfillAnswer
from backfilld.api.public.backfills.bodies import CreateBackfill, create_body, preview_body
from backfilld.api.public.backfills.data import CostAnswer, CreatedData, NamedAnswer, plain
from backfilld.api.public.backfills.idempotency import once, to_keep
from backfilld.api.public.backfills.unchecked_body import read_parts
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfill_settings import DEFAULT_MAX_ATTEMPTS
from backfilld.domain.errors import Invalid
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Asked, Wanted
from backfilld.operations.backfills.create import Created
from backfilld.operations.backfills.idempotency import Keyed

PATH = "/public-api/backfills"


class Creation:
    """Reads bodies, and makes what they ask for."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._operations = operations
        self._body = create_body(operations.limits.max_in_flight)
        self._shown_body = preview_body(operations.limits.max_in_flight)

    async def read(self, document: Mapping[str, Any]) -> Wanted:
        """What a body asks for; Invalid with all that is wrong with it."""
        return await self._read(self._body, document)

    async def read_to_look(self, document: Mapping[str, Any]) -> Wanted:
        """The same for a preview, which needs no workflow."""
        return await self._read(self._shown_body, document)

    async def _read(self, model: type[CreateBackfill], document: Mapping[str, Any]) -> Wanted:
        read = read_parts(model, document)
        checked = await self._operations.check(Asked.of(read.parts, read.unread))
        checked.require(read.faults)
        if (body := read.body) is None:
            raise Invalid(read.faults)
        attempts = DEFAULT_MAX_ATTEMPTS if checked.target is None else checked.target.max_attempts
        settings = body.settings(max_attempts=attempts, recheck=checked.recheck)
        return Wanted(settings, checked, body.distinct_ids())

    async def create(self, actor: Actor, document: Mapping[str, Any], keyed: Keyed | None) -> Reply:
        """The backfill, made once for each key. Invalid; Conflict."""

        async def do() -> Reply:
            wanted = await self.read(document)
            created = await self._operations.creator.create(actor, wanted, keyed=keyed, render=kept_answer)
            return created_reply(created)

        return await once(self._operations.idempotency, keyed, do)


def _data(created: Created) -> CreatedData:
    return CreatedData.model_construct(
        backfill=BackfillAnswer.of(created.view),
        cost_estimate=CostAnswer.of(created.cost),
        named_entities=NamedAnswer.of(created.found),
    )


def _location(created: Created) -> str:
    return f"{PATH}/{created.view.backfill.id}"


def kept_answer(created: Created) -> Mapping[str, Any]:
    """What is kept of a creation under its key."""
    return to_keep(plain(_data(created)), _location(created), created.warnings)


def created_reply(created: Created) -> Reply:
    """A new backfill."""
    return Reply(_data(created), headers={"Location": _location(created)}, warnings=created.warnings)
