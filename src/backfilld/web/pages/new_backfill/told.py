"""What a preview comes to, in the words of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.estimating.limits import Limit
from backfilld.domain.entities.records import Entity
from backfilld.engine.backfills.planning.plan_walk import ALREADY_RUN, ALREADY_SUCCEEDED
from backfilld.operations.backfills.preview import Preview
from backfilld.web.words import numbers, times

OPENINGS = 5
SAMPLE = 5
LONGEST_TITLE = 60
LEFT_OUT = {ALREADY_SUCCEEDED: "succeeded before", ALREADY_RUN: "ran before"}
_TITLES = ("title", "name", "subject", "summary", "description")


@dataclass(frozen=True, slots=True)
class Told:
    """The panel. A number of None could not be had in time."""

    to_run: int | None
    total: int | None
    at_most: int | None
    at_least: int | None
    to_run_at_least: int | None
    left_out: Sequence[tuple[str, int]]
    cost: str
    starts: str
    ends: str
    ends_after: str  # where nobody can tell the end: it is not before
    bounded: Sequence[str]
    place: str
    openings: Sequence[str]
    is_always_open: bool
    notes: Sequence[str]
    warnings: Sequence[str]
    sample: Sequence[tuple[str, str]]
    records: str

    @property
    def short(self) -> str:
        """For where there is room for a line alone."""
        least = self.to_run_at_least
        count = "not counted in time" if least is None else f"at least {numbers.thousands(least)} to run"
        count = count if self.to_run is None else f"{numbers.thousands(self.to_run)} to run"
        return " · ".join(part for part in (count, self.starts, f"≈ {self.ends}" if self.ends else "") if part)


def told(preview: Preview, settings: BackfillSettings, entity_type: str, now: datetime) -> Told:
    """All that is worth knowing before it is made."""
    survey, zone = preview.survey, preview.calendar.zone
    starts, ends = preview.estimate.start_at, preview.estimate.completion_at
    credits, early = preview.cost.total_credits, preview.estimate.earliest_at
    is_now = starts is not None and starts - now < timedelta(minutes=1)
    return Told(
        to_run=survey.to_run,
        total=survey.total,
        at_most=survey.at_most,
        at_least=survey.at_least,
        to_run_at_least=survey.to_run_at_least,
        left_out=[
            (LEFT_OUT.get(reason, reason.replace("_", " ")), count) for reason, count in (survey.skipped or {}).items()
        ],
        cost="" if not credits else f"about {numbers.thousands(credits)} credits",
        starts="" if starts is None else "at once" if is_now else times.clock_time(starts, zone, now),
        ends="" if ends is None else times.clock_time(ends, zone, now),
        ends_after="" if ends or early is None else times.clock_time(early, zone, now),
        bounded=[words for one in preview.limits if (words := _bounded(one))],
        place=times.place(zone),
        openings=[_opening(*one, preview) for one in preview.openings[:OPENINGS]],
        is_always_open=any(closes is None for _, closes in preview.openings),
        notes=preview.notes,
        warnings=[one for one in preview.warnings if not (survey.skipped and "reprocess_behavior" in one)],
        sample=[(one.id, _title(one)) for one in survey.sample[:SAMPLE]],
        records=numbers.plural(entity_type),
    )


def _bounded(limit: Limit) -> str:
    """A limit that others share, or that the pace is; "" for one that the form itself shows beside its speed."""
    value, each = numbers.thousands(limit.value), limit.items_per_minute
    about = "" if each is None else f"about {numbers.thousands(round(each, 1))} a minute for this one"
    match limit.what:
        case "starts_per_minute":
            return f"{value} starts a minute"
        case "target_starts_per_minute":
            return f"{value} starts a minute at {limit.name}" + (f", {about}" if each != limit.value else "")
        case "requests_per_hour":
            return f"{value} requests an hour to {limit.name}: {about}"
        case "requests_per_minute":
            return f"{value} requests a minute to {limit.name}: {about}"
    return ""


def _opening(opens: datetime, closes: datetime | None, preview: Preview) -> str:
    zone = preview.calendar.zone
    start = opens.astimezone(zone)
    if closes is None:
        return f"{start:%a %-d %b %H:%M} on"
    end = closes.astimezone(zone)
    far = end.date() != start.date()
    return f"{start:%a %-d %b %H:%M} – {end:%a %H:%M}" if far else f"{start:%a %-d %b %H:%M} – {end:%H:%M}"


def _title(entity: Entity) -> str:
    known = (entity.attributes.get(name) for name in _TITLES)
    found = next((text for text in known if isinstance(text, str) and text), "")
    if not found:
        plain = [f"{name} {value}" for name, value in entity.attributes.items() if isinstance(value, str | int | float)]
        found = " · ".join(plain[:2])
    return found if len(found) <= LONGEST_TITLE else found[: LONGEST_TITLE - 1] + "…"
