"""Enabling, disabling and skipping: a page that asks, and the POST that does it."""

import asyncio
from datetime import datetime, timedelta, tzinfo
from itertools import islice, takewhile

from aiohttp import web

from backfilld.domain.errors import BackfilldError, Conflict, Invalid, Unavailable
from backfilld.domain.schedules import FINISHED_AT, Schedule, Slot
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.schedules.overview import MOST_MISSED
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.backfill.verbs import Question
from backfilld.web.pages.schedules.asking import Asked, ask, sentence
from backfilld.web.pages.schedules.routes import IDS, PATH
from backfilld.web.pages.schedules.rows import pill_of, zone_of
from backfilld.web.words import times
from backfilld.web.words.numbers import thousands

OFFERED = 24  # slots to go on with
MOST_LEFT_OUT = 1_000  # slots that are counted
_SECOND = timedelta(seconds=1)


class ScheduleSteering:
    """Asks, and does."""

    def __init__(self, frame: Frame, verbs: ScheduleVerbs) -> None:
        self._frame = frame
        self._verbs = verbs

    async def ask_disable(self, visit: Visit) -> web.Response:
        return await self._disabling(visit)

    async def disable(self, visit: Visit) -> web.Response:
        try:
            self._frame.check_reason(visit, needs_why=True)
            await self._verbs.steering.disable(visit.actor, visit.path["id"], why=visit.form.get("reason") or None)
        except (Conflict, Invalid, Unavailable) as problem:
            return await self._disabling(visit, problem)
        return self._frame.see_other(f"/schedules/{visit.path['id']}")

    async def _disabling(self, visit: Visit, problem: BackfilldError | None = None) -> web.Response:
        stored = await self._readable(visit)
        told = [
            "Nothing starts by itself any more. What runs goes on, and its past can still be backfilled.",
            "Whoever enables it again decides what becomes of the sessions between.",
        ]
        question = Question("Disable it?", told, "Disable", "Disabling…", danger=True, needs_why=True)
        return ask(self._frame, visit, self._asked(stored, question, "disable"), problem)

    async def ask_enable(self, visit: Visit) -> web.Response:
        return await self._enabling(visit)

    async def enable(self, visit: Visit) -> web.Response:
        """Fire again: from now, or with all that was missed."""
        skips = visit.form.get("missed") != "all"
        try:
            await self._verbs.steering.enable(
                visit.actor, visit.path["id"], skip_schedule=skips, why=visit.form.get("reason") or None
            )  # fmt: skip
        except (Conflict, Invalid, Unavailable) as problem:
            return await self._enabling(visit, problem)
        return self._frame.see_other(f"/schedules/{visit.path['id']}")

    async def _enabling(self, visit: Visit, problem: BackfilldError | None = None) -> web.Response:
        stored = await self._readable(visit)
        zone, now = zone_of(stored), self._frame.clock.now()
        try:
            missed, schedule = await self._verbs.overview.missed(stored), stored.schedule()
        except ValueError as found:
            problem = problem or Conflict(f"its definition cannot be read: {found}")
            question = Question("That is not possible now", [], "", "", keep="Back to it")
            return ask(self._frame, visit, self._asked(stored, question, "enable"), problem)
        ahead = schedule.first(now) or Slot(FINISHED_AT, FINISHED_AT)
        goes_on = max(ahead, Slot(stored.next_session_at, stored.next_run_at))
        told = [_goes_on(goes_on, zone, now)]
        choices: tuple[tuple[str, str, str], ...] = ()
        if missed:
            count = f"at least {thousands(missed)}" if missed >= MOST_MISSED else thousands(missed)
            what = "One session" if missed == 1 else f"{count[:1].upper()}{count[1:]} sessions"
            told = [f"{what} should have run since it was disabled.", *told]
            if missed > 1:
                told.append("To run them one after another, backfill with “move the schedule on”, and enable it then.")
            choices = (
                ("missed", "skip", f"Leave {'it' if missed == 1 else 'them'} out"),
                ("missed", "all", "Run it at once" if missed == 1 else f"Run all {count} at once, beside each other"),
            )
        question = Question("Enable it?", told, "Enable", "Enabling…", choices=choices)
        return ask(self._frame, visit, self._asked(stored, question, "enable"), problem)

    async def ask_skip(self, visit: Visit) -> web.Response:
        return await self._skipping(visit)

    async def skip(self, visit: Visit) -> web.Response:
        """Go on with a later slot. A time that was typed is first shown with what it comes to."""
        typed, chosen = visit.form.get("at"), visit.form.get("to")
        if typed and visit.form.get("seen") != typed:
            return await self._skipping(visit)
        try:
            await self._verbs.steering.skip(
                visit.actor, visit.path["id"], next_time=_spelled(typed or chosen), dry_run=False,
                why=visit.form.get("reason") or None,
            )  # fmt: skip
        except (Conflict, Invalid, Unavailable) as problem:
            return await self._skipping(visit, problem)
        return self._frame.see_other(f"/schedules/{visit.path['id']}")

    async def _skipping(self, visit: Visit, problem: BackfilldError | None = None) -> web.Response:
        stored = await self._readable(visit)
        zone, now, typed = zone_of(stored), self._frame.clock.now(), visit.form.get("at")
        offered: list[tuple[str, str]] = []
        would = ""
        try:
            schedule = stored.schedule()
            slots = schedule.since(schedule.next(stored.next_session_at))
            for number, slot in enumerate(islice(slots, OFFERED), 1):
                runs, session = (times.clock_time(at, zone, now) for at in slot[::-1])
                told = f"{session}, runs {runs}: leaves out {number}"
                offered.append((times.iso(schedule.moment_of(slot)), told))
            if typed and problem is None:
                would = await self._would(visit, stored, schedule)
        except (Conflict, Invalid) as found:
            problem = found
        except ValueError as found:
            problem = problem or Conflict(f"its definition cannot be read: {found}")
        told_first = times.clock_time(stored.next_session_at, zone, now)
        return self._frame.page(
            visit, "schedules/skip.html", status=200 if problem is None else problem.status, here="schedules",
            stored=stored, pill=pill_of(stored), place=times.place(zone), offered=offered, stands=told_first,
            chosen=visit.form.get("to"), typed=typed, would=would, problem=sentence(problem),
            reason=visit.form.get("reason"),
        )  # fmt: skip

    async def _would(self, visit: Visit, stored: StoredSchedule, schedule: Schedule) -> str:
        """What skipping to the time that was typed comes to. Invalid; Conflict."""
        zone, now = zone_of(stored), self._frame.clock.now()
        moved = await self._verbs.steering.skip(
            visit.actor, stored.id, next_time=_spelled(visit.form.get("at")), dry_run=True
        )  # fmt: skip
        count = await asyncio.to_thread(_between, schedule, stored.next_session_at, moved.next_session_at)
        out = f"at least {thousands(count)}" if count >= MOST_LEFT_OUT else thousands(count)
        sessions = "session" if count == 1 else "sessions"
        if moved.next_session_at >= FINISHED_AT:
            return f"It would be finished, and leave out {out} {sessions}."
        session, runs = (times.clock_time(at, zone, now) for at in (moved.next_session_at, moved.next_run_at))
        return f"It would go on with the session of {session}, which runs {runs}, and leave out {out} {sessions}."

    async def _readable(self, visit: Visit) -> StoredSchedule:
        stored = await self._verbs.reading.get(visit.path["id"])
        if isinstance(stored, UnreadableRow):
            raise Conflict(f"schedule {stored.id} cannot be read by this version: {stored.problem}")
        return stored

    def _asked(self, stored: StoredSchedule, question: Question, verb: str) -> Asked:
        back = f"/schedules/{stored.id}"
        return Asked(question, stored.workflow_name, pill_of(stored), f"{back}/{verb}", back)


def _between(schedule: Schedule, first: datetime, to: datetime) -> int:
    """How many slots lie there, counted no further than `MOST_LEFT_OUT`."""
    slots = islice(schedule.since(schedule.next(first - _SECOND)), MOST_LEFT_OUT)
    return sum(1 for _ in takewhile(lambda slot: slot.session_time < to, slots))


def _goes_on(slot: Slot, zone: tzinfo, now: datetime) -> str:
    if slot.session_time >= FINISHED_AT:
        return "No session is left to come."
    return f"It goes on with the session that runs {times.clock_time(slot.run_time, zone, now)}."


def _spelled(text: str) -> str:
    """As the dialect takes times, which a browser may send with a blank in the middle."""
    return text.replace(" ", "T", 1)


def pages(frame: Frame, verbs: ScheduleVerbs) -> list[Page]:
    does = ScheduleSteering(frame, verbs)
    handlers = {
        "disable": (does.ask_disable, does.disable),
        "enable": (does.ask_enable, does.enable),
        "skip": (does.ask_skip, does.skip),
    }
    return [
        page
        for verb, (asks, does_it) in handlers.items()
        for page in (
            Page("GET", f"{PATH}/{verb}", asks, "operator", path_types=IDS),
            Page("POST", f"{PATH}/{verb}", does_it, "operator", path_types=IDS),
        )
    ]
