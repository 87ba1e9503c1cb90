"""Running items of an ended backfill again: which, by what became of them, and how many that are before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID, uuid4

from aiohttp import web

from backfilld.api.public.backfills.creation import created_reply, kept_answer
from backfilld.api.public.backfills.idempotency import keyed_by, once
from backfilld.domain.backfill_settings import MOST_REASON
from backfilld.domain.errors import BackfilldError, Conflict, Invalid, Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.idempotency import KeyReused
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.rerun import Wanted
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.backfill.errors import GroupShown, groups_of
from backfilld.web.pages.backfill.shell import IDS, PATH
from backfilld.web.words.states import pill

STATUSES = ("failed", "succeeded", "skipped", "cancelled")
LONGEST_KEY = 64
LONGEST_GROUP = 18  # hexadecimal digits
MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form says."""

    statuses: tuple[str, ...]
    error_group: str
    error_class: str
    ids: str

    @classmethod
    def of(cls, given: Sequence[tuple[str, str]]) -> Self:
        def first(name: str) -> str:
            return next((value.strip() for known, value in given if known == name), "")

        named = {one for name, value in given if name == "status" for one in value.split(",")}
        statuses = tuple(one for one in STATUSES if one in named)
        return cls(statuses, first("error_group"), first("error_class"), first("entity_ids"))

    def wanted(self) -> Wanted:
        """The same for the operations. Invalid for what is no group of failures."""
        ids = [line.strip() for line in self.ids.split("\n") if line.strip()] or None
        group = bytes.fromhex(self.error_group) if _is_group(self.error_group) else None
        return Wanted(self.statuses, ids, self.error_class or None, group)


def _is_group(text: str) -> bool:
    try:
        return len(text) == LONGEST_GROUP and bool(bytes.fromhex(text))
    except ValueError:
        return False


async def rerun_once(operations: BackfillOperations, visit: Visit, id_: UUID, wanted: Wanted, why: str | None) -> str:
    """Where the child is that was made, the same for a form that was sent twice. As `Rerunner.rerun`; KeyReused."""
    key = visit.form.get("key")[:LONGEST_KEY]
    asked = {"backfill": str(id_), "form": [pair for pair in visit.form.fields if pair[0] not in ("csrf", "key")]}
    keyed = keyed_by(key, visit.caller, "rerun", asked) if key and key.isprintable() else None
    rerunner = operations.rerunner

    async def do() -> Any:
        return created_reply(
            await rerunner.rerun(visit.actor, id_, wanted, why=why, keyed=keyed, render=kept_answer)
        )  # fmt: skip

    reply = await once(operations.idempotency, keyed, do)
    return f"/backfills/{reply.headers['Location'].rpartition('/')[2]}"


class RerunPages:
    """The handlers."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._frame = frame
        self._operations = operations

    async def show(self, visit: Visit) -> web.Response:
        """The form as the address says, with the count."""
        view = await self._operations.get(visit.path["id"])
        chosen = Chosen.of(list(visit.http.query.items()))
        if not chosen.statuses:
            first = "failed" if view.counts.failed else "skipped" if view.counts.skipped else "succeeded"
            chosen = Chosen((first,), chosen.error_group, chosen.error_class, chosen.ids)
        return await self._draw(visit, view, chosen)

    async def take(self, visit: Visit) -> web.Response:
        """The form as it was changed; or the child that it asks for."""
        view, chosen = await self._operations.get(visit.path["id"]), Chosen.of(visit.form.fields)
        if visit.form.get("do") != "rerun":
            return await self._draw(visit, view, chosen)
        count, problem = await self._count(view, chosen)
        if problem is None and visit.form.get("count") != str(count):
            told = "What is chosen was changed since it was counted. Look at the number, then send it again."
            return await self._draw(visit, view, chosen, Conflict(told))
        why = visit.form.get("reason")[:MOST_REASON] or None
        try:
            there = await rerun_once(self._operations, visit, view.backfill.id, chosen.wanted(), why)
        except (Conflict, Invalid, Unavailable) as refused:
            return await self._draw(visit, view, chosen, refused)
        return self._frame.see_other(there)

    async def _count(self, view: BackfillView, chosen: Chosen) -> tuple[int | None, BackfilldError | None]:
        if not chosen.statuses:
            return None, Conflict("choose what became of those that are to run again")
        try:
            return await self._operations.rerunner.count(view.backfill.id, chosen.wanted()), None
        except (Conflict, Invalid, Unavailable) as problem:
            return None, problem

    async def _draw(
        self, visit: Visit, view: BackfillView, chosen: Chosen, refused: BackfilldError | None = None
    ) -> web.Response:  # fmt: skip
        count, problem = await self._count(view, chosen)
        refused = refused or problem
        id_, counts = view.backfill.id, view.counts
        groups: Sequence[GroupShown] = []
        if counts.failed:
            groups = groups_of(await self._operations.errors.list_largest(id_, MOST_GROUPS), id_)
        there: Mapping[str, int] = {one: getattr(counts, one) for one in STATUSES}
        is_asked = refused is not None and visit.http.method == "POST" and visit.form.get("do") == "rerun"
        return self._frame.page(
            visit, "backfill/rerun.html", here="backfills", id=id_, name=_name(view), pill=pill(view), chosen=chosen,
            counts=there, groups=groups, count=count, problem=_sentence(refused), reason=visit.form.get("reason"),
            key=_key(visit, refused), status=refused.status if refused is not None and is_asked else 200,
        )  # fmt: skip


def _key(visit: Visit, refused: BackfilldError | None) -> str:
    kept = "" if isinstance(refused, KeyReused) else visit.form.get("key")
    return kept[:LONGEST_KEY] or uuid4().hex


def _name(view: BackfillView) -> str:
    return view.backfill.settings.name or view.backfill.workflow_name


def _sentence(problem: BackfilldError | None) -> str:
    if problem is None:
        return ""
    told = problem.message
    if isinstance(problem, KeyReused):
        told = "this form has made a backfill already, and was changed since; send it again to make another one"
    if isinstance(problem, Invalid):
        told = "; ".join(fault.message for fault in problem.faults)
    return f"{told[:1].upper()}{told[1:]}" + ("" if told[-1:] in ".!?" else ".")


def pages(frame: Frame, operations: BackfillOperations) -> list[Page]:
    does = RerunPages(frame, operations)
    return [
        Page("GET", PATH + "/rerun", does.show, "operator", path_types=IDS),
        Page("POST", PATH + "/rerun", does.take, "operator", path_types=IDS),
    ]
