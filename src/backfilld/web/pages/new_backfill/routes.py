"""`/backfills/new`: the form as it was sent comes back with what it would do, until it is created."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from backfilld.api.public.backfills.creation import Creation
from backfilld.api.public.backfills.idempotency import keyed_by
from backfilld.api.public.steering.clone import body_of
from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.entities.records import ENTITY_TYPES
from backfilld.domain.errors import BackfilldError, Conflict, Invalid, NotFound, Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.idempotency import KeyReused
from backfilld.web.fields import filter_fields, window_fields
from backfilld.web.fields.filter_fields import group_of
from backfilld.web.fields.window_fields import PRESETS, rows_of
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.new_backfill.document import AS_JSON, Document, document_of, fields_of, filter_fields_of
from backfilld.web.pages.new_backfill.labels import with_numbers
from backfilld.web.pages.new_backfill.told import told

PATH = "/backfills/new"
MOST_WORKFLOWS = 500
STARTS = {"wait": "when_approved", "start": "now"}
LONGEST_KEY = 64
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
USUAL_IN_FLIGHT = 5
PATIENCE_SECONDS = 0.15  # a large source is counted once the form is there
Shown = Mapping[str, Any]


class NewBackfillPages:
    """The handlers."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._frame = frame
        self._operations = operations
        self._creation = Creation(operations)

    async def show(self, visit: Visit) -> web.Response:
        """The form as its address says: blank, like another backfill, or with a filter."""
        query = visit.http.query
        try:
            fields = await self._cloned(query["clone"]) if query.get("clone") else self._blank()
        except (Conflict, NotFound) as problem:
            return await self._draw(visit, self._blank(), problem=_sentence(problem), status=problem.status)
        fields |= {name: query[name] for name in ("workflow", "entity_type") if query.get(name)}
        if spec := query.get("filter"):
            try:
                fields |= filter_fields_of(json.loads(spec))
            except (ValueError, RecursionError):
                fields |= {"mode": AS_JSON, "json": spec}
        return await self._draw(visit, fields, within=PATIENCE_SECONDS)

    async def take(self, visit: Visit) -> web.Response:
        """The form as it was changed; or the backfill that it asks for."""
        fields = {name: value.strip() for name, value in visit.form.fields if name not in ("csrf", "do")}
        labels = await self._operations.field_sampler.labels(fields.get("entity_type", ""))
        fields = with_numbers(fields, labels)
        what, _, at = visit.form.get("do").partition(":")
        if what in STARTS:
            return await self._create(visit, fields, STARTS[what])
        return await self._draw(visit, _changed(fields, what, at))

    async def _create(self, visit: Visit, fields: dict[str, str], start: str) -> web.Response:
        document = document_of(fields)
        if document.asks_for_all and not fields.get("all"):
            document.faults["all"] = "without a rule every record is run: tick that this is meant, or add a rule"
        if document.faults:
            return await self._draw(visit, fields, document=document, status=422)
        body = document.body | {"start": start}
        key = fields.get("key", "")[:LONGEST_KEY]
        keyed = keyed_by(key, visit.caller, "create", body) if key.isprintable() and key else None
        try:
            reply = await self._creation.create(visit.actor, body, keyed)
        except KeyReused as problem:
            told = "This form has made a backfill already, and was changed since. Send it again to make another one."
            return await self._draw(visit, fields | {"key": uuid4().hex}, problem=told, status=problem.status)
        except Invalid as problem:
            return await self._draw(visit, fields, document=document, status=problem.status)
        except (Conflict, Unavailable) as problem:
            other = problem.extra.get("backfill", {}).get("id", "")
            return await self._draw(visit, fields, problem=_sentence(problem), other=other, status=problem.status)
        return self._frame.see_other(f"/backfills/{reply.headers['Location'].rpartition('/')[2]}")

    async def _draw(
        self, visit: Visit, fields: dict[str, str], *, document: Document | None = None, status: int = 200,
        problem: str = "", other: str = "", within: float | None = None,
    ) -> web.Response:  # fmt: skip
        """The form with its preview; what is not known `within` so many seconds the page asks for by itself."""
        workflows = await self._operations.runnable(MOST_WORKFLOWS)
        fields.setdefault("workflow", str(workflows[0][0]) if workflows else "")
        fields.setdefault("key", uuid4().hex)
        document = document or document_of(fields)
        preview, general, is_late = None, list[str](), False
        try:
            async with asyncio.timeout(within):
                preview, general = await self._preview(document)
        except TimeoutError:
            is_late = True
        sample = await self._fields_of(fields.get("entity_type", ""))
        group = group_of(fields)
        rules = [at.replace(".", "-") for at in group.places()]
        return self._frame.page(
            visit, "new_backfill/new.html", status=status, here="backfills", fields=fields, workflows=workflows,
            types=ENTITY_TYPES, group=group, rules=rules, windows=rows_of(fields), presets=PRESETS, days=DAYS,
            words_for=filter_fields.words_for, sample=sample, faults=document.faults, preview=preview, general=general,
            is_late=is_late, asks_for_all=document.asks_for_all, problem=problem, other=other,
            places=_places(document.faults),
            spec=json.dumps(document.body["filter_spec"], ensure_ascii=False, indent=2),
        )  # fmt: skip

    async def _preview(self, document: Document) -> tuple[Any, list[str]]:
        """What it would do, else None; and faults that are about no field, or why nobody can tell."""
        general: list[str] = []
        try:
            wanted = await self._creation.read_to_look(document.body)
            if document.faults.keys() - {"all"}:
                return None, general
            preview = await self._operations.previewer.preview(wanted)
        except Invalid as problem:
            for fault in problem.faults:
                name = document.field_of(fault)
                if name:
                    document.faults.setdefault(name, fault.message)
                else:
                    general.append(f"{fault.path}: {fault.message}")
            return None, general
        except Unavailable as problem:
            return None, [_sentence(problem)]
        return told(preview, wanted.settings, wanted.entity_type, self._frame.clock.now()), general

    async def _fields_of(self, entity_type: str) -> Shown:
        """The fields of some records, by name, with the values that are common."""
        try:
            sample = await self._operations.field_sampler.sample(entity_type)
        except BackfilldError:
            return {}
        return {one.name: one for one in sample.fields}

    async def _cloned(self, id_: str) -> dict[str, str]:
        try:
            clone = await self._operations.cloner.clone(UUID(id_))
        except ValueError:
            raise NotFound(f"there is no backfill {id_}") from None
        body = body_of(clone)
        return fields_of({key: asdict(value) if _is_record(value) else value for key, value in body.items()})

    def _blank(self) -> dict[str, str]:
        most = self._operations.limits.max_in_flight
        body = {
            "entity_type": ENTITY_TYPES[0], "filter_spec": {}, "timezone": "UTC", "max_in_flight":
            min(USUAL_IN_FLIGHT, most), "failure_policy": asdict(FailurePolicy()),
        }  # fmt: skip
        return fields_of(body) | window_fields.preset("weeknights")


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _changed(fields: dict[str, str], what: str, at: str) -> dict[str, str]:
    if what in ("rule", "group", "drop") and filter_fields.is_of_filter(at + ".c"):
        return filter_fields.edited(fields, what, at)
    if what in ("window", "unwindow", "preset"):
        return window_fields.edited(fields, what, at)
    if what == "json":
        spec = document_of(fields | {"mode": ""}).body["filter_spec"]
        return fields | {"mode": AS_JSON, "json": json.dumps(spec, ensure_ascii=False, indent=2)}
    if what == "builder":
        return _as_rules(fields)
    return fields


def _as_rules(fields: dict[str, str]) -> dict[str, str]:
    try:
        shown = filter_fields_of(json.loads(fields.get("json") or "{}"))
    except (ValueError, RecursionError):
        return fields
    if shown["mode"] == AS_JSON:
        return fields | {"unshown": "1"}
    return {name: value for name, value in fields.items() if not filter_fields.is_of_filter(name)} | shown


def _sentence(problem: BackfilldError) -> str:
    text = problem.message[:1].upper() + problem.message[1:]
    return text if text[-1:] in ".!?" else text + "."


def _places(faults: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.replace(".", "-"), message) for name, message in faults.items()]


def pages(frame: Frame, operations: BackfillOperations) -> list[Page]:
    does = NewBackfillPages(frame, operations)
    return [Page("GET", PATH, does.show, "operator"), Page("POST", PATH, does.take, "operator")]
