"""PATCH of a backfill."""

from typing import Any
from uuid import UUID

from backfilld.api.framework.reading.preconditions import DESCRIBED, wanted_versions
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.api.public.backfills.answers import BackfillAnswer
from backfilld.api.public.backfills.bodies import CHANGEABLE, change_body, chosen
from backfilld.api.public.backfills.data import BackfillData, plain
from backfilld.api.public.backfills.routes import ONE, TAG
from backfilld.api.public.backfills.unchecked_body import WholeBody, read_parts, whole
from backfilld.domain.errors import Fault, Invalid, VersionMismatch
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Asked
from backfilld.operations.steering.edit import Change, ChangedMeanwhile

_DESCRIPTION = """All of it or nothing, also while it runs: after the answer every start obeys. null restores a default;
windows and `max_in_flight` have none (of kind `schedule`, null windows are always open). A chain of kind `schedule`
stays one: 422 `serial_chain`. 409 once it has ended or is being cancelled. 412 carries it as `error.current`.
503 `not_confirmed`: it is stored, but its owner has not said so in 10 s."""


class ChangeRoute:
    """The handler."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._operations = operations
        self.body = change_body(operations.limits.max_in_flight)

    async def change(self, asked: RequestContext[WholeBody, None]) -> Reply:
        read = read_parts(self.body, asked.body.root)
        values: dict[str, Any] = {name: chosen(name, read.parts[name]) for name in CHANGEABLE if name in read.parts}
        if not values and not read.faults:
            raise Invalid([Fault("", "empty", f"names nothing to change, which may be {', '.join(CHANGEABLE)}")])
        checked = self._operations.check_changes(Asked.of(read.parts, read.unread))
        checked.faults[:0] = read.faults
        try:
            edited = await self._operations.editor.edit(
                asked.actor,
                asked.path["id"],
                Change(values, checked),
                versions=wanted_versions(asked.http),
                why=read.parts.get("reason"),
            )
        except ChangedMeanwhile as problem:
            current = plain(BackfillAnswer.of(problem.present))
            raise VersionMismatch(problem.message, details={"current": current}) from problem
        version = edited.view.backfill.version
        data = BackfillData.model_construct(backfill=BackfillAnswer.of(edited.view))
        warnings = [*edited.warnings, *await self._operations.approval.warnings(edited.view.backfill)]
        return Reply(data, headers={"ETag": f'"{version}"'}, warnings=warnings)


def routes(operations: BackfillOperations) -> list[Route]:
    """One."""
    does = ChangeRoute(operations)
    return [
        Route("PATCH", ONE, does.change, "operator", "Change settings of a backfill", BackfillData,
              body=whole(does.body), path_types={"id": UUID}, errors=(409, 412), headers=DESCRIBED, tag=TAG,
              description=_DESCRIPTION),
    ]  # fmt: skip
