"""Running items of an ended backfill again: what failed, or whatever is wanted by what became of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from pydantic import Field

from backfilld.api.framework.reading.fields import Answer
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.bodies import Rerun, RerunFailed
from backfilld.api.public.backfills.creation import created_reply, kept_answer
from backfilld.api.public.backfills.data import CreatedData
from backfilld.api.public.backfills.idempotency import DESCRIBED, keyed_of, once
from backfilld.api.public.backfills.routes import ONE, TAG
from backfilld.api.public.backfills.unchecked_body import WholeBody, read_as, whole
from backfilld.domain.errors import Invalid
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.idempotency import Keyed
from backfilld.operations.rerun import Wanted

_DRY = "With `dry_run` the answer is 200 `{count}`, how many it would cover, and nothing is made."


class RerunCount(Answer):
    """What a rerun would cover."""

    count: int = Field(description="How many entities.", examples=[12])


class RerunRoutes:
    """The handlers."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._operations = operations

    async def rerun_failed(self, asked: RequestContext[WholeBody | None, None]) -> Reply:
        return await self._rerun(asked, "rerun-failed", RerunFailed)

    async def rerun(self, asked: RequestContext[WholeBody, None]) -> Reply:
        return await self._rerun(asked, "rerun", Rerun)

    async def _rerun(self, asked: RequestContext[Any, None], route: str, model: type[RerunFailed]) -> Reply:
        id, document = asked.path["id"], asked.body.root if asked.body else {}
        keyed = keyed_of(asked.http, asked.caller, route, {"backfill": str(id), "body": document})
        return await once(self._operations.idempotency, keyed, self._doing(asked, id, document, model, keyed))

    def _doing(
        self,
        asked: RequestContext[Any, None],
        id: UUID,
        document: Mapping[str, Any],
        model: type[RerunFailed],
        keyed: Keyed | None,
    ) -> Callable[[], Awaitable[Reply]]:
        rerunner = self._operations.rerunner

        async def do() -> Reply:
            body, faults = read_as(model, document)
            if body is None:
                raise Invalid(faults)
            statuses = tuple(dict.fromkeys(body.status)) if isinstance(body, Rerun) else Wanted().statuses
            group = None if body.error_group is None else bytes.fromhex(body.error_group)
            wanted = Wanted(statuses, body.entity_ids, body.error_class, group)
            if body.dry_run:
                return Reply(RerunCount(count=await rerunner.count(id, wanted)), status=200)
            created = await rerunner.rerun(asked.actor, id, wanted, why=body.reason, keyed=keyed, render=kept_answer)
            return created_reply(created)

        return do


def routes(operations: BackfillOperations) -> list[Route]:
    """Two."""
    does, ids = RerunRoutes(operations), {"id": UUID}
    return [
        Route("POST", ONE + "/rerun-failed", does.rerun_failed, "operator", "Run the failed entities again",
              CreatedData, body=whole(RerunFailed), body_optional=True, status=201, path_types=ids, errors=(409,),
              headers=DESCRIBED, tag=TAG, description=_DRY, other_answer=RerunCount),
        Route("POST", ONE + "/rerun", does.rerun, "operator", "Run entities again, by what became of them",
              CreatedData, body=whole(Rerun), status=201, path_types=ids, errors=(409,), headers=DESCRIBED, tag=TAG,
              description=_DRY, other_answer=RerunCount),
    ]  # fmt: skip
