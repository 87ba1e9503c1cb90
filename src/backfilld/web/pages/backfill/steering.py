"""The verbs: a page that asks, and the POST that does it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from backfilld.domain.access.callers import Role
from backfilld.domain.backfill_settings import MOST_REASON
from backfilld.domain.calendars import shown_zone
from backfilld.domain.errors import BackfilldError, Conflict, Fault, Forbidden, Invalid, Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.rerun import Wanted
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, PageHandler, Visit
from backfilld.web.pages.backfill.reruns import rerun_once
from backfilld.web.pages.backfill.shell import IDS, PATH
from backfilld.web.pages.backfill.verbs import VERBS, Question, question
from backfilld.web.words import times
from backfilld.web.words.states import pill

Do = Callable[[Visit, UUID, str | None], Awaitable[str]]  # where to go afterwards


class Steering:
    """Asks, and does."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._frame = frame
        self._operations = operations
        self._does: Mapping[str, Do] = {
            "pause": self._pause, "resume": self._resume, "cancel": self._cancel, "rerun-failed": self._rerun_failed,
            "delete": self._delete, "try-now": self._try_now, "override": self._override,
            "end-override": self._end_override,
        }  # fmt: skip

    def asking(self, verb: str) -> PageHandler:
        """The page that says what will happen."""

        async def ask(visit: Visit) -> web.Response:
            view = await self._operations.get(visit.path["id"])
            asked = question(view, verb, visit.at)
            if asked is None:
                return self._refused(visit, view, verb, Conflict(f"it is {pill(view).word.lower()}: too late for that"))
            return self._question(visit, view, verb, asked)

        return ask

    def doing(self, verb: str) -> PageHandler:
        """Does it, and shows the backfill as it is afterwards; or says why not, above what was typed."""

        async def do(visit: Visit) -> web.Response:
            id_, why = visit.path["id"], visit.form.get("reason")[:MOST_REASON] or None
            try:
                await self._check_reason(visit, verb)
                return self._frame.see_other(await self._does[verb](visit, id_, why))
            except (Conflict, Unavailable, Invalid, Forbidden) as problem:
                view = await self._operations.get(id_)
                return self._refused(visit, view, verb, problem)

        return do

    async def _check_reason(self, visit: Visit, verb: str) -> None:
        if self._frame.requires_reason:
            asked = question(await self._operations.get(visit.path["id"]), verb, visit.at)
            self._frame.check_reason(visit, needs_why=asked is not None and asked.needs_why)

    def _question(self, visit: Visit, view: BackfillView, verb: str, asked: Question, **more: Any) -> web.Response:
        backfill = view.backfill
        values: dict[str, Any] = {"problem": "", "fault": "", "status": 200, "reason": "", "until": None} | more
        return self._frame.page(
            visit, "backfill/confirm.html", here="backfills", ask=asked, verb=verb, id=backfill.id,
            name=backfill.settings.name or backfill.workflow_name, pill=pill(view),
            zone=times.place(shown_zone(backfill)), key=visit.form.get("key") or uuid4().hex, **values,
        )  # fmt: skip

    def _refused(self, visit: Visit, view: BackfillView, verb: str, problem: BackfilldError) -> web.Response:
        told, fault = problem.message[:1].upper() + problem.message[1:], ""
        if isinstance(problem, Invalid):
            told = "; ".join(one.message for one in problem.faults if one.path != "/reason")
            told = told[:1].upper() + told[1:]
            fault = "; ".join(one.message for one in problem.faults if one.path == "/reason")
        asked = question(view, verb, visit.at)
        if asked is None:
            asked = Question("That is not possible now", [], "", "", keep="Back to it")
        typed = {name: visit.form.get(name) for name in ("reason", "until")}
        return self._question(visit, view, verb, asked, problem=told, fault=fault, status=problem.status, **typed)

    async def _pause(self, visit: Visit, id_: UUID, why: str | None) -> str:
        until = await self._until(visit, id_)
        await self._operations.steering.pause(visit.actor, id_, why=why, until=until)
        return f"/backfills/{id_}"

    async def _override(self, visit: Visit, id_: UUID, why: str | None) -> str:
        until = await self._until(visit, id_)
        if until is None:
            raise Invalid([Fault("/until", "missing", "say until when")])
        await self._operations.overriding.override(visit.actor, id_, until, why=why)
        return f"/backfills/{id_}"

    async def _end_override(self, visit: Visit, id_: UUID, why: str | None) -> str:
        await self._operations.overriding.end(visit.actor, id_, why=why)
        return f"/backfills/{id_}"

    async def _until(self, visit: Visit, id_: UUID) -> datetime | None:
        """The time that was typed, by the clocks of the backfill's zone. Invalid, in these clocks, too."""
        text = visit.form.get("until")
        if not text:
            return None
        zone = shown_zone((await self._operations.get(id_)).backfill)
        try:
            until = times.of_input(text, zone)
        except ValueError as problem:
            raise Invalid([Fault("/until", "invalid", f"“{text}” {problem}")]) from None
        if until <= visit.at:
            told = (
                f"{times.clock_time(until, zone, visit.at)} is over: it is {times.clock_time(visit.at, zone, visit.at)}"
            )
            raise Invalid([Fault("/until", "not_in_the_future", f"{told} in {times.place(zone)}")])
        return until

    async def _try_now(self, visit: Visit, id_: UUID, why: str | None) -> str:
        await self._operations.trying.try_now(visit.actor, id_, why=why)
        return f"/backfills/{id_}"

    async def _resume(self, visit: Visit, id_: UUID, why: str | None) -> str:
        await self._operations.steering.resume(visit.actor, id_, why=why)
        return f"/backfills/{id_}"

    async def _cancel(self, visit: Visit, id_: UUID, why: str | None) -> str:
        is_cut = visit.form.get("in_flight") == "cancel"
        await self._operations.steering.cancel(visit.actor, id_, why=why, in_flight="cancel" if is_cut else "drain")
        return f"/backfills/{id_}"

    async def _rerun_failed(self, visit: Visit, id_: UUID, why: str | None) -> str:
        return await rerun_once(self._operations, visit, id_, Wanted(), why)

    async def _delete(self, visit: Visit, id_: UUID, why: str | None) -> str:
        await self._operations.delete(visit.actor, id_, why=why)
        return "/"


def pages(frame: Frame, operations: BackfillOperations) -> list[Page]:
    does = Steering(frame, operations)
    deleter: Role = "admin" if operations.limits.delete_needs_admin else "operator"
    made = []
    for verb in VERBS:
        role = deleter if verb == "delete" else "operator"
        path = f"{PATH}/{verb}"
        made.append(Page("GET", path, does.asking(verb), role, path_types=IDS))
        made.append(Page("POST", path, does.doing(verb), role, path_types=IDS))
    return made
