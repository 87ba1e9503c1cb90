"""PATCH of a backfill."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from backfilld.api.framework.reading.preconditions import DESCRIBED, wanted_versions
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.answers import BackfillAnswer
from backfilld.api.public.backfills.bodies import CHANGEABLE, change_body, chosen
from backfilld.api.public.backfills.data import BackfillData, plain
from backfilld.api.public.backfills.routes import ONE, TAG
from backfilld.api.public.backfills.unchecked_body import WholeBody, read_parts, whole
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import Fault, Invalid, VersionMismatch
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Asked
from backfilld.operations.steering.edit import Change, ChangedMeanwhile, Edited

_DESCRIPTION = """All of it or nothing, also while it runs: after the answer every start obeys. null restores a default;
windows and `max_in_flight` have none (of kind `schedule`, null windows are always open). A chain of kind `schedule`
stays one: 422 `serial_chain`. 409 once it has ended or is being cancelled. 412 carries it as `error.current`.
503 `not_confirmed`: it is stored, but its owner has not said so in 10 s."""


class Changing:
    """Reads what shall be different, and makes it so: for the route, and for the dashboard."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._operations = operations
        self.body = change_body(operations.limits.max_in_flight)

    async def change(
        self, actor: Actor, id: UUID, document: Mapping[str, Any], versions: frozenset[int] | None
    ) -> Edited:
        """As `Editor.edit`, of a body as it was sent; also Invalid for one that names nothing."""
        read = read_parts(self.body, document)
        values: dict[str, Any] = {name: chosen(name, read.parts[name]) for name in CHANGEABLE if name in read.parts}
        if not values and not read.faults:
            raise Invalid([Fault("", "empty", f"names nothing to change, which may be {', '.join(CHANGEABLE)}")])
        checked = self._operations.check_changes(Asked.of(read.parts, read.unread))
        checked.faults[:0] = read.faults
        edited = await self._operations.editor.edit(
            actor, id, Change(values, checked), versions=versions, why=read.parts.get("reason")
        )
        more = await self._operations.approval.warnings(edited.view.backfill)
        return Edited(edited.view, (*edited.warnings, *more))


class ChangeRoute:
    """The handler."""

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    async def change(self, asked: RequestContext[WholeBody, None]) -> Reply:
        versions = wanted_versions(asked.http)
        try:
            edited = await self._changing.change(asked.actor, asked.path["id"], asked.body.root, versions)
        except ChangedMeanwhile as problem:
            current = plain(BackfillAnswer.of(problem.present))
            raise VersionMismatch(problem.message, details={"current": current}) from problem
        version = edited.view.backfill.version
        data = BackfillData.model_construct(backfill=BackfillAnswer.of(edited.view))
        return Reply(data, headers={"ETag": f'"{version}"'}, warnings=edited.warnings)


def routes(operations: BackfillOperations) -> list[Route]:
    """One."""
    changing = Changing(operations)
    does = ChangeRoute(changing)
    return [
        Route("PATCH", ONE, does.change, "operator", "Change settings of a backfill", BackfillData,
              body=whole(changing.body), path_types={"id": UUID}, errors=(409, 412), headers=DESCRIBED, tag=TAG,
              description=_DESCRIPTION),
    ]  # fmt: skip
