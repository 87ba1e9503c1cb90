"""`/sessions/{id}`, its stream, its logs, and the verbs: retry a session, kill an attempt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from aiohttp import web

from backfilld.domain.access.callers import Role
from backfilld.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from backfilld.domain.sessions.records import Attempt
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.sessions.attempts import AttemptExists
from backfilld.web.frame.cards import Cards
from backfilld.web.frame.frame import HEADERS, Frame
from backfilld.web.frame.visit import Page, Visit, may_of
from backfilld.web.live.regions import Picture, Region
from backfilld.web.live.stream import Streams
from backfilld.web.pages.backfill.verbs import Question
from backfilld.web.pages.schedules.asking import Asked, ask
from backfilld.web.pages.schedules.rows import zone_named
from backfilld.web.pages.session.shown import Head, Log, attempt_of, head_of, log_of, made_by
from backfilld.web.words import times
from backfilld.web.words.attempts import PILLS

if TYPE_CHECKING:
    from markupsafe import Markup

May = Callable[[Role], bool]  # what a role may
PATH, ATTEMPT = "/sessions/{id}", "/attempts/{id}"
IDS = {"id": int}
PAGE_SIZE = 20
LOGGED = 3  # the newest attempts of which the last log stands on the page itself
PARTS = "session/regions.html"
LONGEST_CURSOR = 18  # digits
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Drawn:
    """One attempt, as its card."""

    id: int
    html: "Markup"


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of one session."""

    head: Head
    attempts: Sequence[Drawn]
    whole: "Markup"  # all of them
    more: str


class SessionRoutes:
    """The handlers."""

    def __init__(self, frame: Frame, streams: Streams, verbs: ScheduleVerbs) -> None:
        self._frame = frame
        self._streams = streams
        self._verbs = verbs

    async def show(self, visit: Visit) -> web.Response:
        """One session with its attempts, newest first."""
        below = _cursor(visit)
        cards = Cards(self._frame.piece, visit.request_id, visit.address)
        looked = await self._look(visit.path["id"], below, visit.caller.role, cards)
        live = "" if looked.head.over else f"/events/sessions/{looked.head.session_id}"
        return self._frame.page(
            visit, "session/session.html", here="schedules", looked=looked, head=looked.head, live=live,
            attention=looked.head.needs_person,
        )  # fmt: skip

    async def follow(self, visit: Visit) -> web.StreamResponse:
        id_, role = visit.path["id"], visit.caller.role
        cards = Cards(self._frame.piece, visit.request_id, f"/sessions/{id_}")

        async def look() -> Picture:
            looked = await self._look(id_, None, role, cards)
            head, draw = looked.head, self._frame.piece
            regions = [
                Region("state", draw("frame/state.html", "state", head.title, head.needs_person)),
                Region("head", draw(PARTS, "head", head, role, may_of(role))),
                Region("why", draw(PARTS, "why", head)),
                *(Region(f"a{one.id}", one.html, inside="attempts") for one in looked.attempts),
                Region("attempts", looked.whole, same=repr([one.id for one in looked.attempts])),
            ]
            return Picture(regions, is_last=head.over)

        return await self._streams.serve(visit, ("session", id_), look)

    async def _look(self, id_: int, below: int | None, role: Role, cards: Cards) -> Looked:
        now, may = self._frame.clock.now(), may_of(role)
        last = await self._verbs.sessions.session(id_)
        if isinstance(last, UnreadableRow):
            raise Conflict(f"session {id_} cannot be read by this version: {last.problem}")
        schedule_id = await self._verbs.overview.schedule_of(last.workflow_id)
        head = head_of(last, schedule_id, zone_named(last.timezone), now)
        drawn: list[Drawn] = []
        older: list[int] = []

        async def attempts() -> "Markup":
            found = await self._verbs.sessions.attempts_of_session(id_, below=below, limit=PAGE_SIZE + 1)
            readable = [one for one in found[:PAGE_SIZE] if not isinstance(one, UnreadableRow)]
            overview = self._verbs.overview
            backfills, names = await overview.backfills(readable), await overview.names(readable)
            for number, one in enumerate(readable):
                by, backfill = made_by(one, names), backfills.get(one.backfill_number or 0)
                attempt = partial(self._attempt, head, one, by, backfill, may, number < LOGGED)
                drawn.append(Drawn(one.id, await cards.draw(f"a{one.id}", f"Attempt {one.index}", attempt)))
            older.extend(one.id for one in found[PAGE_SIZE - 1 : PAGE_SIZE] if len(found) > PAGE_SIZE)
            return self._frame.piece(PARTS, "attempts", drawn)

        whole = await cards.draw("attempts", "Attempts", attempts)
        more = f"/sessions/{id_}?cursor={older[0]}" if older else ""
        return Looked(head, [] if cards.has_failed("attempts") else drawn, whole, more)

    async def _attempt(
        self, head: Head, one: Attempt, by: str, backfill: tuple[UUID, str | None] | None, may: May, is_new: bool
    ) -> "Markup":
        zone = zone_named(one.timezone)
        shown = attempt_of(one, by, backfill, await self._logs(one, here=is_new), zone, self._frame.clock.now())
        return self._frame.piece(PARTS, "attempt", head, shown, may)

    async def _logs(self, attempt: Attempt, *, here: bool) -> list[Log]:
        _, files = await self._verbs.sessions.logs(attempt.id)
        content = await self._verbs.sessions.log(attempt.id, files[-1].try_) if files and here else None
        return [log_of(file, content if file is files[-1] else None) for file in files]

    async def read_log(self, visit: Visit) -> web.Response:
        """What one try printed, as text."""
        content = await self._verbs.sessions.log(visit.path["id"], visit.path["try"])
        return web.Response(text=content, content_type="text/plain", headers=HEADERS)

    async def find_session(self, visit: Visit) -> web.Response:
        """An attempt stands on the page of its session."""
        attempt = await self._verbs.sessions.attempt(visit.path["id"])
        return self._frame.see_other(f"/sessions/{attempt.session_id}#a{attempt.id}")

    async def ask_retry(self, visit: Visit) -> web.Response:
        return await self._retrying(visit)

    async def retry(self, visit: Visit) -> web.Response:
        """Another attempt, with what the last one was given; sent twice it is one."""
        last = await self._verbs.sessions.session(visit.path["id"])
        name = visit.form.get("name")[:LONGEST_NAME] or _next_name(last)
        try:
            await self._verbs.attempts.start(
                visit.actor, workflow_id=last.workflow_id, session_time=last.session_time, params=last.params,
                name=name, why=visit.form.get("reason") or None,
            )  # fmt: skip
        except AttemptExists:
            pass  # the same form, sent again
        except (NotFound, Invalid, Conflict, Unavailable) as problem:
            return await self._retrying(visit, problem)
        return self._frame.see_other(f"/sessions/{last.session_id}")

    async def _retrying(
        self, visit: Visit, problem: NotFound | Invalid | Conflict | Unavailable | None = None
    ) -> web.Response:  # fmt: skip
        last = await self._verbs.sessions.session(visit.path["id"])
        told = ["It runs the workflow as it is now, with the parameters that the last attempt was given."]
        if last.finished_at is None:
            told.append("The last attempt has not ended: both would run, beside each other.")
        question = Question("Run this session again?", told, "Retry", "Starting…", keep="Not now")
        back = f"/sessions/{last.session_id}"
        name = visit.form.get("name") or _next_name(last)
        asked = Asked(question, _named(last), PILLS[last.status], f"{back}/retry", back, hidden=(("name", name),))
        return ask(self._frame, visit, asked, problem)

    async def ask_kill(self, visit: Visit) -> web.Response:
        return await self._killing(visit)

    async def kill(self, visit: Visit) -> web.Response:
        """End it: what waits at once, what runs by cutting it off."""
        try:
            attempt = await self._verbs.attempts.kill(
                visit.actor, visit.path["id"], why=visit.form.get("reason") or None
            )  # fmt: skip
        except (Conflict, Unavailable, Forbidden) as problem:
            return await self._killing(visit, problem)
        return self._frame.see_other(f"/sessions/{attempt.session_id}")

    async def _killing(
        self, visit: Visit, problem: Conflict | Unavailable | Forbidden | None = None
    ) -> web.Response:  # fmt: skip
        attempt = await self._verbs.sessions.attempt(visit.path["id"])
        told = ["What runs is cut off, whatever its target is doing with it."]
        if attempt.running_since is None:
            told = ["It has not begun, and will not."]
        if attempt.backfill_number is not None:
            told.append("The other sessions of its backfill go on.")
        question = Question("Kill this attempt?", [*told, "This cannot be undone."], "Kill", "Killing…", danger=True)
        back = f"/sessions/{attempt.session_id}"
        if attempt.finished_at is not None:
            problem = problem or Conflict("it has ended already")
            question = Question("That is not possible now", [], "", "", keep="Back to it")
        asked = Asked(
            question, f"{_named(attempt)}, attempt {attempt.index}", PILLS[attempt.status],
            f"/attempts/{attempt.id}/kill", back, has_reason=attempt.backfill_number is None,
        )  # fmt: skip
        return ask(self._frame, visit, asked, problem)


def _named(attempt: Attempt) -> str:
    local = attempt.session_time.astimezone(zone_named(attempt.timezone))
    return f"{attempt.workflow_name}, {local:%a %Y-%m-%d %H:%M} {times.place(zone_named(attempt.timezone))}"


def _next_name(last: Attempt) -> str:
    return f"retry-{last.index}"


def _cursor(visit: Visit) -> int | None:
    text = visit.http.query.get("cursor", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_CURSOR else None


def pages(frame: Frame, streams: Streams, verbs: ScheduleVerbs) -> list[Page]:
    does = SessionRoutes(frame, streams, verbs)
    return [
        Page("GET", PATH, does.show, path_types=IDS),
        Page("GET", "/events/sessions/{id}", does.follow, path_types=IDS, is_stream=True),
        Page("GET", PATH + "/retry", does.ask_retry, "operator", path_types=IDS),
        Page("POST", PATH + "/retry", does.retry, "operator", path_types=IDS),
        Page("GET", ATTEMPT, does.find_session, path_types=IDS),
        Page("GET", ATTEMPT + "/log/{try}", does.read_log, path_types=IDS | {"try": int}),
        Page("GET", ATTEMPT + "/kill", does.ask_kill, "operator", path_types=IDS),
        Page("POST", ATTEMPT + "/kill", does.kill, "operator", path_types=IDS),
    ]
