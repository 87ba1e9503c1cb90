"""A session and its attempts as its page shows them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

from backfilld.domain.sentences import fill
from backfilld.domain.sessions.records import Attempt, AttemptStatus
from backfilld.operations.sessions.read import LogFile
from backfilld.web.pages.schedules.sessions import took
from backfilld.web.words import numbers, times
from backfilld.web.words.attempts import PILLS
from backfilld.web.words.sentences import Said, said
from backfilld.web.words.states import Pill

MOST_SHOWN = 6_000  # characters of a log or a document on the page itself


@dataclass(frozen=True, slots=True)
class Log:
    """What one try printed. `tail` is its end, "" where it stands on a page of its own alone."""

    number: int
    size: str
    tail: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class AttemptShown:
    """One attempt. `facts` are pairs of a name and a value, or of a name and an instant."""

    id: int
    index: int
    name: str
    pill: Pill
    facts: Sequence[tuple[str, str, datetime | None, str]]
    backfill: tuple[UUID, str] | None
    said: str
    error_class: str
    result: str
    params: str
    logs: Sequence[Log]
    may_be_killed: bool


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above."""

    session_id: int
    title: str
    workflow: str
    time: str
    whole: str
    place: str
    project: str
    schedule_id: int | None
    uuid: UUID
    pill: Pill
    sentences: Sequence[Said]
    needs_person: bool
    over: bool


def head_of(last: Attempt, schedule_id: int | None, zone: tzinfo, now: datetime) -> Head:
    pill, local = PILLS[last.status], last.session_time.astimezone(zone)
    time = f"{local:%a %Y-%m-%d %H:%M}" + (f"{local:%z}" if _is_shown_twice(local) else "")
    return Head(
        session_id=last.session_id,
        title=f"{'▲ ' if pill.tone == 'bad' else ''}{last.workflow_name} {local:%Y-%m-%d %H:%M}",
        workflow=last.workflow_name,
        time=time,
        whole=times.whole(last.session_time, zone),
        place=times.place(zone),
        project=last.project_name,
        schedule_id=schedule_id,
        uuid=last.session_uuid,
        pill=pill,
        sentences=list(_sentences(last, zone, now)),
        needs_person=pill.tone == "bad",
        over=last.finished_at is not None,
    )


def _is_shown_twice(local: datetime) -> bool:
    return local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()


def _sentences(last: Attempt, zone: tzinfo, now: datetime) -> Iterator[Said]:
    values = {
        "ended": last.finished_at, "began": last.running_since or last.started_at, "made": last.created_at,
        "number": last.index, "asked": last.cancel_requested_at,
    }  # fmt: skip
    texts = {
        AttemptStatus.SUCCESS: "Succeeded. It ended {ended:time}, {ended:ago}.",
        AttemptStatus.ERROR: "Failed. It ended {ended:time}, {ended:ago}; a retry makes another attempt.",
        AttemptStatus.KILLED: "Killed. It ended {ended:time}, {ended:ago}.",
        AttemptStatus.RUNNING: "Running. It began {began:ago}.",
        AttemptStatus.CANCELING: "Being killed. That was asked for {asked:ago}; what runs is cut off.",
        AttemptStatus.QUEUED: "Queued. It was made {made:ago}, and starts as soon as there is a place.",
        AttemptStatus.BLOCKED: "Waits its turn. It starts when the sessions before it in its backfill have ended.",
    }
    yield said(fill(texts[last.status], values, now), zone, now)
    if last.index > 1:
        yield said(fill("This is its attempt {number:count}.", values, now), zone, now)


def attempt_of(
    one: Attempt, by: str, backfill: tuple[UUID, str | None] | None, logs: Sequence[Log], zone: tzinfo, now: datetime
) -> AttemptShown:
    """`by`: who has made it."""
    facts: list[tuple[str, str, datetime | None, str]] = []
    for name, at in (("Made", one.created_at), ("Started", one.started_at), ("Ended", one.finished_at)):
        if at is not None:
            text = times.clock_time(at, zone, now, seconds=True)
            facts.append((name, text + (f" by {by}" if name == "Made" else ""), at, times.whole(at, zone)))
    if took(one):
        facts.append(("Took", took(one), None, ""))
    if one.credits:
        facts.append(("Credits", numbers.thousands(one.credits), None, ""))
    if one.http_status:
        facts.append(("HTTP status", str(one.http_status), None, ""))
    named = None if backfill is None else (backfill[0], backfill[1] or str(backfill[0])[:8])
    return AttemptShown(
        id=one.id,
        index=one.index,
        name=one.name,
        pill=PILLS[one.status],
        facts=facts,
        backfill=named,
        said=one.error or one.message or "",
        error_class=one.error_class or "",
        result=_pretty(one.result),
        params=_document(one.params),
        logs=logs,
        may_be_killed=one.finished_at is None and one.cancel_requested_at is None,
    )


def made_by(attempt: Attempt, names: Mapping[str, str]) -> str:
    """Who has made an attempt, in words."""
    kind = attempt.created_by.partition(":")[0]
    if kind == "schedule":
        return "its schedule"
    return names.get(attempt.created_by, kind)


def log_of(file: LogFile, content: str | None) -> Log:
    """`content` None: it is not on the page itself."""
    tail = "" if content is None else content[-MOST_SHOWN:]
    size = f"{numbers.thousands(max(1, round(file.size_bytes / 1024)))} kB" if file.size_bytes else "empty"
    return Log(file.try_, size, tail, content is not None and len(content) > MOST_SHOWN)


def _pretty(text: str | None) -> str:
    try:
        return "" if text is None else _document(json.loads(text))
    except ValueError:
        return text or ""


def _document(value: Any) -> str:
    if value in ({}, None):
        return ""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "\n…"
