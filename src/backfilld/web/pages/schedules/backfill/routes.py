"""`/schedules/{id}/backfill`: the form comes back with what it would do, until exactly that is made."""

from typing import Any

from aiohttp import web

from backfilld.domain.errors import BackfilldError, Conflict, Invalid, Unavailable
from backfilld.domain.schedules import Schedule
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.web.fields import window_fields
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.schedules.asking import sentence
from backfilld.web.pages.schedules.backfill.asked import (
    Asked,
    Fields,
    asked_of,
    between,
    is_picked,
    pinned,
    pins,
    usual,
)
from backfilld.web.pages.schedules.backfill.shown import Told, told
from backfilld.web.pages.schedules.routes import IDS, PATH
from backfilld.web.pages.schedules.rows import pill_of, zone_of
from backfilld.web.pages.schedules.strip import MOST
from backfilld.web.words import times

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CHANGED = "The form was changed since this was shown. Look at what it would do now; then send it again."
OTHERWISE = "Sessions have come or gone since this was shown. Look at what it would do now; then send it again."


class ScheduleBackfillPages:
    """The handlers."""

    def __init__(self, frame: Frame, verbs: ScheduleVerbs) -> None:
        self._frame = frame
        self._verbs = verbs

    async def show(self, visit: Visit) -> web.Response:
        """The last few slots, or with `empty` in the address those that have had no session."""
        stored = await self._stored(visit)
        zone, now = zone_of(stored), self._frame.clock.now()
        try:
            schedule = stored.schedule()
            fields = usual(schedule, stored.next_session_at, zone, now)
            if visit.http.query.get("empty"):
                slots = await self._verbs.overview.slots(stored, MOST)
                empty = [slot.session_time for slot, mark in slots if mark is None and slot.run_time <= now]
                fields |= between(schedule, empty[0], empty[-1], zone) if empty else {}
        except ValueError:
            fields = {}
        return await self._draw(visit, stored, fields)

    async def take(self, visit: Visit) -> web.Response:
        """The form as it was changed; or the backfill that it asks for."""
        fields = {name: value.strip() for name, value in visit.form.fields if name not in ("csrf", "do")}
        stored = await self._stored(visit)
        what, _, at = visit.form.get("do").partition(":")
        if what == "run":
            return await self._run(visit, stored, fields)
        if what in ("window", "unwindow", "preset"):
            fields = window_fields.edited(fields, what, at)
        return await self._draw(visit, stored, fields)

    async def _run(self, visit: Visit, stored: StoredSchedule, fields: dict[str, str]) -> web.Response:
        asked = asked_of(fields, zone_of(stored))
        if asked.faults:
            return await self._draw(visit, stored, fields, status=422)
        request = pinned(fields, asked.request)
        if request is None:
            return await self._draw(visit, stored, fields, problem=CHANGED)  # nothing has failed
        try:
            answer = await self._verbs.backfills.run(visit.actor, stored.id, request)
        except Invalid as problem:
            return await self._draw(visit, stored, fields, problem=sentence(problem), status=problem.status)
        except (Conflict, Unavailable) as problem:
            why = OTHERWISE if problem.code == "plan_changed" else sentence(problem)
            return await self._draw(visit, stored, fields, problem=why, status=problem.status)
        made = answer.backfill_id
        return self._frame.see_other(f"/backfills/{made}" if made else f"/schedules/{stored.id}")

    async def _draw(
        self, visit: Visit, stored: StoredSchedule, fields: dict[str, str], *, problem: str = "", status: int = 200
    ) -> web.Response:
        zone = zone_of(stored)
        asked = asked_of(fields, zone)
        panel, pinning, general = await self._look(stored, fields, asked)
        places = [(name.replace(".", "-"), message) for name, message in asked.faults.items()]
        return self._frame.page(
            visit, "schedules/backfill.html", status=status, here="schedules", stored=stored, pill=pill_of(stored),
            place=times.place(zone), fields=fields, faults=asked.faults, told=panel, pins=pinning, general=general,
            problem=problem, places=places, windows=window_fields.rows_of(fields), presets=window_fields.PRESETS,
            days=DAYS, is_picked=is_picked, most_in_flight=self._verbs.limits.max_in_flight,
        )  # fmt: skip

    async def _look(
        self, stored: StoredSchedule, fields: Fields, asked: Asked
    ) -> tuple[Told | None, dict[str, str], list[str]]:  # fmt: skip
        """What it would do, else None; what binds it to that; and faults that are about no field."""
        general: list[str] = []
        if asked.faults:
            return None, {}, general
        try:
            schedule: Schedule = stored.schedule()
            survey = await self._verbs.backfills.look(stored.id, asked.request)
        except Invalid as problem:
            for fault in problem.faults:
                name = asked.field_of(fault)
                if name:
                    asked.faults.setdefault(name, fault.message)
                else:
                    general.append(sentence(BackfilldError(fault.message)))
            return None, {}, general
        except (Unavailable, ValueError) as problem:
            return None, {}, [str(problem)[:1].upper() + str(problem)[1:]]
        panel = told(survey, asked.request, zone_of(stored), self._frame.clock.now())
        may_be_sent = (panel.to_run > 0 and not panel.taken) or survey.moves_to is not None
        return panel, pins(fields, survey, schedule) if may_be_sent else {}, general

    async def _stored(self, visit: Visit) -> StoredSchedule:
        stored: Any = await self._verbs.reading.get(visit.path["id"])
        if isinstance(stored, UnreadableRow):
            raise Conflict(f"schedule {stored.id} cannot be read by this version: {stored.problem}")
        return stored  # type: ignore[no-any-return]  # the reading says so


def pages(frame: Frame, verbs: ScheduleVerbs) -> list[Page]:
    does = ScheduleBackfillPages(frame, verbs)
    path = PATH + "/backfill"
    return [
        Page("GET", path, does.show, "operator", path_types=IDS),
        Page("POST", path, does.take, "operator", path_types=IDS),
    ]
