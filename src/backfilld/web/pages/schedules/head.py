"""What stands above the page of one schedule: how it stands, what comes next, and why not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from backfilld.domain.schedules import FINISHED_AT
from backfilld.domain.sentences import Sentence, fill
from backfilld.domain.sessions.records import AttemptStatus, StoredSchedule
from backfilld.operations.schedules.overview import MOST_MISSED, SessionMark
from backfilld.web.pages.schedules.rows import pill_of, zone_of
from backfilld.web.words import times
from backfilld.web.words.rhythms import in_words
from backfilld.web.words.sentences import Said, said
from backfilld.web.words.states import Pill


@dataclass(frozen=True, slots=True)
class Head:
    """Of one moment."""

    id: int
    name: str
    project: str
    words: str
    place: str
    title: str
    pill: Pill
    tone: str
    sentences: Sequence[Said]
    created_at: datetime
    needs_person: bool
    readable: bool


def head_of(
    stored: StoredSchedule, newest: SessionMark | None, missed: int, problem: str, now: datetime
) -> Head:  # fmt: skip
    """`missed` slots should have run by now; `problem` says why the definition cannot be read."""
    zone = zone_of(stored)
    failed = newest is not None and newest.status is AttemptStatus.ERROR
    pill = pill_of(stored, last_failed=failed)
    sentences = [*_standing(stored, missed, problem, now), *_newest(newest)]
    return Head(
        id=stored.id,
        name=stored.workflow_name,
        project=stored.project_name,
        words=in_words(stored.definition.get("schedule")),
        place=times.place(zone),
        title=f"{'▲ ' if pill.tone == 'bad' else ''}{stored.workflow_name}",
        pill=pill,
        tone="bad" if problem else pill.tone,
        sentences=[_said(text, values, zone, now) for text, values in sentences],
        created_at=stored.created_at,
        needs_person=pill.tone == "bad" or bool(problem),
        readable=not problem,
    )


def _said(text: str, values: dict[str, object], zone: tzinfo, now: datetime) -> Said:
    sentence: Sentence = fill(text, values, now)
    return said(sentence, zone, now)


def _standing(
    stored: StoredSchedule, missed: int, problem: str, now: datetime
) -> Iterator[tuple[str, dict[str, object]]]:  # fmt: skip
    late = missed if missed < MOST_MISSED else f"at least {MOST_MISSED}"
    told: dict[str, object] = {
        "run": stored.next_run_at, "session": stored.next_session_at, "since": stored.disabled_at, "missed": late,
        "problem": problem,
    }  # fmt: skip
    if problem:
        yield "Its definition cannot be read. {problem}. It starts nothing.", told
    elif stored.next_session_at >= FINISHED_AT:
        yield "Finished. No session is left; its past can still be backfilled.", told
    elif not stored.workflow_enabled:
        yield "Its workflow is disabled. Nothing starts until that is enabled again.", told
    elif stored.disabled_at is not None:
        yield "Disabled. Nothing has started by itself since {since:time}, {since:ago}.", told
        if missed:
            yield _left(missed), told
    elif stored.next_run_at > now:
        yield "On time. The next session runs {run:time}, {run:in}.", told
    else:
        yield "Late. The session of {session:time} should have run {run:ago}; it starts as soon as it can.", told


def _left(missed: int) -> str:
    if missed == 1:
        return "One session should have run since. Whoever enables it decides what becomes of that."
    return "{missed} sessions should have run since. Whoever enables it decides what becomes of them."


def _newest(newest: SessionMark | None) -> Iterator[tuple[str, dict[str, object]]]:
    if newest is None:
        yield "It has had no session yet.", {}
        return
    words = {
        AttemptStatus.SUCCESS: "succeeded {at:ago}", AttemptStatus.ERROR: "failed {at:ago}",
        AttemptStatus.KILLED: "was killed {at:ago}", AttemptStatus.RUNNING: "is running",
        AttemptStatus.CANCELING: "is being killed",
    }  # fmt: skip
    word = words.get(newest.status, "waits to be started")
    yield "The newest session, of {time:time}, " + word + ".", {"time": newest.session_time, "at": newest.finished_at}
