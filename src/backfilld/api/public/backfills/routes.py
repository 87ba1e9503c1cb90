"""Backfills over HTTP: asked for, looked at, steered."""

from uuid import UUID

from backfilld.api.framework.answering.rows import rows, shown
from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.reasons import Why
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.api.public.backfills.answers import BackfillAnswer
from backfilld.api.public.backfills.bodies import (
    CancelBackfill,
    CreateBackfill,
    DeleteBackfill,
    PauseBackfill,
    SteerBackfill,
    VerifyFilter,
    create_body,
    preview_body,
)
from backfilld.api.public.backfills.creation import PATH, Creation
from backfilld.api.public.backfills.data import BackfillData, BackfillsData, CreatedData, SignalData
from backfilld.api.public.backfills.idempotency import DESCRIBED, keyed_of
from backfilld.api.public.backfills.preview_answers import PreviewData, VerifiedData
from backfilld.api.public.backfills.queries import ListBackfills, Patience
from backfilld.api.public.backfills.unchecked_body import WholeBody, read_parts, whole
from backfilld.domain.errors import Invalid
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.check import Asked
from backfilld.operations.backfills.steer import Signal
from backfilld.store.backfills.backfills import BackfillFilter

ONE = PATH + "/{id}"
TAG = "Backfills"


class BackfillRoutes:
    """The handlers."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._operations = operations
        self._creation = Creation(operations)

    async def create(self, asked: RequestContext[WholeBody, None]) -> Reply:
        document = asked.body.root
        keyed = keyed_of(asked.http, asked.caller, "create", document)
        return await self._creation.create(asked.actor, document, keyed)

    async def preview(self, asked: RequestContext[WholeBody, Patience]) -> Reply:
        wanted = await self._creation.read_to_look(asked.body.root)
        preview = await self._operations.previewer.preview(wanted, wait_seconds=asked.query.wait)
        return Reply(PreviewData.of(preview, wanted.entity_type), warnings=preview.warnings)

    async def verify(self, asked: RequestContext[WholeBody, Patience]) -> Reply:
        document = asked.body.root
        read = read_parts(VerifyFilter, document)
        checked = await self._operations.check_filter(Asked.of(read.parts, read.unread))
        checked.require(read.faults)
        if (body := read.body) is None:
            raise Invalid(read.faults)
        verified = await self._operations.previewer.verify(body.entity_type, checked, wait_seconds=asked.query.wait)
        return Reply(VerifiedData.of(verified, body.entity_type), warnings=verified.warnings)

    async def list(self, asked: RequestContext[None, ListBackfills]) -> Reply:
        query = asked.query
        target = query.target_workflow_id
        wanted = BackfillFilter(
            statuses=tuple(query.status),
            kind=query.kind,
            entity_type=query.entity_type,
            workflow_id=None if target is None else await self._operations.workflow_of(target),
            created_by=query.created_by,
            created_after=query.created_after,
            created_before=query.created_before,
            group=query.group,
            text=query.q,
        )
        (before,) = query.behind or (None,)
        found = await self._operations.list_page(wanted, before_number=before, limit=query.page_size + 1)
        page = found[: query.page_size]
        following = encode_cursor(page[-1].number) if len(found) > len(page) else None
        data = BackfillsData.model_construct(backfills=rows(BackfillAnswer, page))
        counts = await self._operations.overview.count(query.q)
        return Reply(data, pagination=Pagination(following), meta={"counts": counts})

    async def get(self, asked: RequestContext[None, None]) -> Reply:
        view = await self._operations.show(asked.path["id"])
        data = BackfillData.model_construct(backfill=shown(BackfillAnswer, view))
        if isinstance(view, UnreadableRow):
            return Reply(data)
        warnings = await self._operations.approval.warnings(view.backfill)
        return Reply(data, headers={"ETag": f'"{view.backfill.version}"'}, warnings=warnings)

    async def delete(self, asked: RequestContext[DeleteBackfill | None, Why]) -> Reply:
        why = (asked.body.reason if asked.body else None) or asked.query.reason
        await self._operations.delete(asked.actor, asked.path["id"], why=why)
        return Reply()

    async def pause(self, asked: RequestContext[PauseBackfill | None, None]) -> Reply:
        body = asked.body or PauseBackfill(until=None)
        id = asked.path["id"]
        return signalled(await self._operations.steering.pause(asked.actor, id, why=body.reason, until=body.until))

    async def resume(self, asked: RequestContext[SteerBackfill | None, None]) -> Reply:
        why = asked.body.reason if asked.body else None
        return signalled(await self._operations.steering.resume(asked.actor, asked.path["id"], why=why))

    async def cancel(self, asked: RequestContext[CancelBackfill | None, None]) -> Reply:
        body = asked.body or CancelBackfill(in_flight="drain")
        id = asked.path["id"]
        return signalled(
            await self._operations.steering.cancel(asked.actor, id, why=body.reason, in_flight=body.in_flight)
        )


def signalled(signal: Signal) -> Reply:
    """What became of a wish."""
    return Reply(
        SignalData.model_construct(
            backfill_id=signal.view.backfill.id,
            signal=signal.name,
            message=signal.message,
            backfill=BackfillAnswer.of(signal.view),
        ),
        warnings=signal.warnings,
    )


_PAUSE = "After the answer nothing starts. 503 `not_confirmed`: it is stored, but its owner has not said so in 10 s."


def routes(operations: BackfillOperations) -> list[Route]:
    """Everything but the ledger and the stream of progress, which have modules of their own."""
    does = BackfillRoutes(operations)
    ids = {"id": UUID}
    creation: type[CreateBackfill] = create_body(operations.limits.max_in_flight)
    wanted, shown_only = whole(creation), whole(preview_body(operations.limits.max_in_flight))
    return [
        Route("POST", PATH, does.create, "operator", "Create a backfill", CreatedData, body=wanted, status=201,
              errors=(409,), headers=DESCRIBED, tag=TAG),
        Route("POST", PATH + "/preview", does.preview, "viewer", "Tell what a backfill would do", PreviewData,
              body=shown_only, query=Patience, tag=TAG, description="Creates nothing, and takes a bounded time."),
        Route("POST", PATH + "/verify", does.verify, "viewer", "Tell what a filter matches", VerifiedData,
              body=whole(VerifyFilter), query=Patience, tag=TAG,
              description="Creates nothing, and takes a bounded time."),
        Route("GET", PATH, does.list, "viewer", "List backfills, newest first", BackfillsData, query=ListBackfills,
              paged=True, tag=TAG),
        Route("GET", ONE, does.get, "viewer", "Show a backfill", BackfillData, path_types=ids, tag=TAG),
        Route("DELETE", ONE, does.delete, "admin" if operations.limits.delete_needs_admin else "operator",
              "Delete an ended backfill", None, body=DeleteBackfill, body_optional=True, query=Why,
              status=204, path_types=ids, errors=(409,), tag=TAG),
        Route("POST", ONE + "/pause", does.pause, "operator", "Pause a backfill", SignalData, body=PauseBackfill,
              body_optional=True, status=202, path_types=ids, errors=(409,), tag=TAG, description=_PAUSE),
        Route("POST", ONE + "/resume", does.resume, "operator", "Resume a backfill", SignalData, body=SteerBackfill,
              body_optional=True, status=202, path_types=ids, errors=(409,), tag=TAG),
        Route("POST", ONE + "/cancel", does.cancel, "operator", "Cancel a backfill", SignalData, body=CancelBackfill,
              body_optional=True, status=202, path_types=ids, errors=(409,), tag=TAG, description=_PAUSE),
    ]  # fmt: skip
