"""When a backfill that nobody has made yet would begin and end, and the sentences that say what that stands on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.estimating.ends import MINUTE, Estimate, Unknown, Workload, estimate
from backfilld.domain.backfills.estimating.limits import Limit, limits_of, told
from backfilld.domain.backfills.rechecking import filter_note
from backfilld.domain.sentences import plain, told_time
from backfilld.domain.texts import many
from backfilld.operations.estimating.counting import CostEstimate


@dataclass(frozen=True, slots=True)
class Outlook:
    """The estimate, what slows it down, and what people should know of both."""

    estimate: Estimate
    limits: tuple[Limit, ...]
    notes: tuple[str, ...]


def outlook(work: Workload, *, at_least: int | None, max_in_flight: int, workflow: str | None) -> Outlook:
    """`at_least`: where the time did not suffice to count what would run, no fewer; `workflow`: whose, if named."""
    found = estimate(work)
    if work.items is None and at_least is not None:
        partly = estimate(replace(work, items=at_least))
        found = replace(found, earliest_at=partly.completion_at or partly.earliest_at)
    by_slots = None if work.speed is None else work.speed * MINUTE
    limits = (
        Limit("max_in_flight", max_in_flight, None, None, by_slots),
        *limits_of(work.bounds, work.allowances),
    )
    return Outlook(found, limits, tuple(_notes(work, found, workflow)))


def _notes(work: Workload, found: Estimate, workflow: str | None) -> Iterator[str]:
    zone = work.now.tzinfo if work.calendar is None else work.calendar.zone
    assert zone is not None  # noqa: S101 - instants are aware
    if found.completion_at is not None and found.limited_by is not None:
        yield from (plain(sentence, zone, work.now) for sentence in told((), found, now=work.now))
    if found.completion_at is not None and work.open_share < 1 and work.items:
        yield f"brakes left {work.open_share:.0%} of the last open day, and are expected to do so again"
    if found.unknown is None:
        return
    why = str(found.unknown)
    if found.unknown is Unknown.NO_SPEED:
        why = (
            "no workflow is named that could tell its speed"
            if workflow is None
            else f"workflow {workflow} has no backfill yet to tell its pace"
        )
    early = "" if found.earliest_at is None else f"; it is not before {told_time(found.earliest_at, zone, work.now)}"
    yield f"the end cannot be estimated: {why}{early}"


def about_start(settings: BackfillSettings) -> list[str]:
    """Where it waits for somebody, and what the estimates make of that."""
    notes = []
    if settings.start != "now":
        notes.append("it waits for approval; start and end are estimated as if it were approved now")
        notes += [note] if (note := filter_note(settings)) else []
    if settings.sample_size is not None:
        sample = many(settings.sample_size, "entity", "entities")
        notes.append(f"it stops after a sample of {sample}; its end is estimated as if somebody let it go on at once")
    return notes


def cap_warnings(cost: CostEstimate, settings: BackfillSettings) -> list[str]:
    """Whether the credits that it may use run out before its end."""
    total, each, most = cost.total_credits, cost.credits_per_entity, settings.max_credits
    if total is None or not each or most is None or total <= (cap := Decimal(str(most))):
        return []
    wanted = many(cost.total_entities or 0, "entity", "entities")
    return [f"max_credits is {cap:,}, but {wanted} cost about {total:,}: it stops after about {int(cap // each):,}"]
