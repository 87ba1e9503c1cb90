"""`/backfills/{id}/entities/{entity_id}`: one entity, what it says, its tries, and where else it was run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from backfilld.domain.calendars import shown_zone
from backfilld.domain.errors import Unavailable
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.ledger import LedgerEntry
from backfilld.operations.watching.attributes import Attributes
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.backfill.ledger import OUTCOMES, row_of
from backfilld.web.pages.backfill.shell import IDS, PATH, RERUN, Looked, Shell
from backfilld.web.words import times
from backfilld.web.words.documents import pretty

LONGEST_TEXT = 20_000  # characters of JSON that a page shows; the API has all of it
PATIENCE_SECONDS = 1.0  # for a source: so long nobody minds waiting for a page
AS_THEY_ARE = "as they are now"


@dataclass(frozen=True, slots=True)
class Text:
    """JSON for people. `left_off`: how many characters of it are not shown."""

    text: str
    left_off: int = 0


@dataclass(frozen=True, slots=True)
class AttributesShown:
    """`standing` says whose words these are. `problem`: why there are none. `may_read`: when somebody asks."""

    standing: str = ""
    json: Text | None = None
    problem: str = ""
    may_read: bool = False
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try."""

    number: int
    outcome: str
    started: str
    whole: str
    took: str
    status: int | None
    error_class: str
    error: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The same entity in another backfill. `at`: when it ended there, or the backfill was made."""

    name: str
    address: str
    word: str
    fill: str
    at: datetime
    error_class: str


_UNKNOWN = ("again", "result", "elsewhere", "attempts", "attributes")  # of what cannot be read


class EntityPage:
    """The handler."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._shell = Shell(frame, operations)
        self._operations = operations

    async def show(self, visit: Visit) -> web.Response:
        """One item, with all its tries."""
        return await self._shell.show(visit, "entity", self._read)

    async def _read(self, visit: Visit, looked: Looked) -> Mapping[str, Any]:
        backfill = looked.view.backfill
        entry = await self._operations.ledger.get(backfill.id, visit.path["entity_id"])
        zone = shown_zone(backfill)
        if isinstance(entry, UnreadableRow):
            return {"row": row_of(entry, zone, visit.at)} | dict.fromkeys(_UNKNOWN)
        again = urlencode({"status": entry.status, "entity_ids": entry.entity_id})
        return {
            "again": again if looked.view.has_ended and entry.status in RERUN else "",
            "row": row_of(entry, zone, visit.at), "result": _json(entry.result), "elsewhere": elsewhere_of(entry),
            "attempts": attempts_of(entry, zone, visit.at), "attributes": await self._attributes(visit, looked, entry),
        }  # fmt: skip

    async def _attributes(self, visit: Visit, looked: Looked, entry: LedgerEntry) -> AttributesShown | None:
        """None for a session, which has none."""
        backfill, reading = looked.view.backfill, self._operations.attributes
        if backfill.is_schedule:
            return None
        if reading.costs_a_request(backfill) and visit.http.query.get("attributes") != "read":
            return AttributesShown(AS_THEY_ARE, may_read=True, is_kept=False)
        try:
            found = await reading.read(backfill, entry, within_seconds=PATIENCE_SECONDS)
        except Unavailable as problem:
            told = problem.message[:1].upper() + problem.message[1:]
            return AttributesShown(AS_THEY_ARE, problem=told, may_read=True, is_kept=False)
        return attributes_of(found, backfill.settings.entity_type or "", shown_zone(backfill), visit.at)


def attributes_of(found: Attributes, entity_type: str, zone: tzinfo, now: datetime) -> AttributesShown:
    if found.standing != "as_now":
        return AttributesShown("as sent" if found.standing == "as_sent" else "as will be sent", _json(found.values))
    standing = f"{AS_THEY_ARE}, read {found.read_at.astimezone(zone):%H:%M}"
    if found.values is None:
        gone = f"There is no such {entity_type.replace('_', ' ')} any more"
        return AttributesShown(standing, problem=gone, is_kept=False)
    if found.as_of is not None and found.as_of < found.read_at:
        standing += f"; unchanged since {times.clock_time(found.as_of, zone, now)}"
    return AttributesShown(standing, _json(found.values), is_kept=False)


def elsewhere_of(entry: LedgerEntry) -> Sequence[Elsewhere]:
    return [
        Elsewhere(
            name=one.name or str(one.backfill_id)[:8],
            address=f"/backfills/{one.backfill_id}/entities/{quote(entry.entity_id, safe='')}",
            word=OUTCOMES[one.status][0],
            fill=OUTCOMES[one.status][1],
            at=one.finished_at or one.created_at,
            error_class=one.error_class or "",
        )
        for one in entry.elsewhere
    ]


def attempts_of(entry: LedgerEntry, zone: tzinfo, now: datetime) -> Sequence[Attempt]:
    return [
        Attempt(
            number=one.attempt,
            outcome="failed" if one.error_class else "went well",
            started=times.clock_time(one.started_at, zone, now, seconds=True) if one.started_at else "",
            whole=times.whole(one.started_at, zone) if one.started_at else "",
            took=_took(one.started_at, one.finished_at),
            status=one.http_status,
            error_class=one.error_class or "",
            error=one.error or "",
        )
        for one in entry.tries
    ]


def _took(began: datetime | None, ended: datetime | None) -> str:
    return times.duration((ended - began).total_seconds()) if began and ended else ""


def _json(value: Any) -> Text | None:
    if value is None:
        return None
    text = pretty(value)
    return Text(text[:LONGEST_TEXT], max(0, len(text) - LONGEST_TEXT))


def pages(frame: Frame, operations: BackfillOperations) -> list[Page]:
    return [Page("GET", PATH + "/entities/{entity_id}", EntityPage(frame, operations).show, path_types=IDS)]
