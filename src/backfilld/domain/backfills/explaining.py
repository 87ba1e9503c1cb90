"""Why nothing, or not more, is starting now, what would change it, and when: one answer for all who ask.

Page, API, command and notification show what `explain` says. All blockers are named in the order in which the gate
looks, so that whoever removes the first knows what comes behind it; without any, what limits the speed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from backfilld.domain.backfills.estimating.allowances import Allowance
from backfilld.domain.backfills.estimating.ends import Bound, Estimate
from backfilld.domain.backfills.estimating.limits import Limit, limits_of, rounded, told
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.progress import Counts
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.remedies import LEFT, link_of, mends, remedy_of
from backfilld.domain.backfills.slowing import Slowed
from backfilld.domain.backfills.states import ENDED, STARTABLE, ReasonCode, Status
from backfilld.domain.sentences import Sentence, fill
from backfilld.domain.windows.openings import Calendar

R = ReasonCode
# As the gate looks; what is only said while nothing of it holds comes last.
ORDER: Final[tuple[str, ...]] = (
    R.PAUSED_BY_USER, R.AWAITING_APPROVAL, R.SAMPLE_DONE, R.DRAINING, R.WORKFLOW_DISABLED, R.OUTSIDE_WINDOW,
    R.NEVER_OPENS, R.STOPPED_BY_OPERATOR, R.BRAKED_CRITICALLY, R.BRAKED, R.SOURCE_REFUSED, R.SOURCE_UNREACHABLE,
    R.SOURCE_BUDGET, R.TARGET_REFUSES, R.TARGET_UNREACHABLE, R.ENGINE_UNREACHABLE, R.RATE_LIMITED, R.NO_WORKERS,
    R.TOO_MANY_FAILURES, R.BUDGET_EXHAUSTED, R.WAITING_FOR_RETRY, R.WAITING_FOR_CAPACITY, R.RECOVERING,
)  # fmt: skip
_RANK = {code: rank for rank, code in enumerate(ORDER)}
JUST_THAT = "What is approved is exactly what runs"
STILL_MATCHING = "Of what is approved only what still matches then will run, and nothing else"
OF_TRIES: Final = {
    "p50": "half of the tries", "p75": "three of four", "p90": "nine of ten", "p95": "19 of 20", "p99": "99 of 100"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """A backfill at one moment. `reasons`: all that keeps something from starting, as `in_order` puts them.

    `known` is what else sentences may name. `places` are those of the daemon that runs it: taken, and in all; None
    where that is not known. `bounds` and `allowances` are what the estimate knows of; `by_workflow`: it goes by what
    the workflow did before.
    """

    backfill: Backfill
    counts: Counts
    reasons: Sequence[Reason]
    now: datetime
    calendar: Calendar | None = None  # None: always open, or not to be told
    per_minute: float | None = None
    estimate: Estimate | None = None
    by_workflow: bool = False
    ends_between: tuple[datetime, datetime] | None = None
    bounds: Sequence[Bound] = ()
    allowances: Sequence[Allowance] = ()
    places: tuple[int, int] | None = None
    credits_used: float | None = None
    slowed: Slowed | None = None  # how its limit follows the latency of the target
    unheard: str | None = None  # what nobody here knows that its owner knows, and why
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing in the way. `remedy` is what would change it, `link` the route that helps."""

    code: ReasonCode
    text: Sentence
    since: datetime
    until: datetime | None
    by: str | None
    remedy: Sentence
    link: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`next_start_at` is None while something is starting, and where nobody knows."""

    starting: bool
    sentences: tuple[Sentence, ...]
    blockers: tuple[Blocker, ...]
    limits: tuple[Limit, ...]
    next_start_at: datetime | None


def in_order(reasons: Iterable[Reason]) -> list[Reason]:
    """The first that is known of each code, and of each brake, in the order of the gate."""
    found: dict[tuple[ReasonCode, Any], Reason] = {}
    for reason in reasons:
        found.setdefault((reason.code, (reason.facts or {}).get("brake")), reason)
    return sorted(found.values(), key=lambda reason: _RANK.get(reason.code, len(_RANK)))


def explain(standing: Standing) -> Explanation:
    """Everything there is to say of it."""
    backfill = standing.backfill
    blockers = tuple(_blocker(reason, standing) for reason in standing.reasons if reason.code is not R.RECOVERING)
    starts = not blockers and backfill.status in STARTABLE
    if backfill.status in ENDED:
        sentences: Iterable[Sentence] = [_verdict(standing)]
    elif blockers:
        sentences = _of_blockers(blockers)
    else:
        sentences = _of_speed(standing)
    return Explanation(
        starting=starts,
        sentences=(*sentences, *_of_owner(standing), *_of_plan(standing)),
        blockers=blockers,
        limits=tuple(_limits(standing)),
        next_start_at=None if starts or backfill.status in ENDED else _next_start(standing),
    )


def facts_of(standing: Standing) -> dict[str, Any]:
    """What is known of any backfill, for the sentences about it."""
    counts = standing.counts
    return {
        "items_left": counts.remaining,
        "retrying": counts.retrying,
        "in_flight": counts.in_flight,
        "runs": counts.in_flight or None,
        "approved": STILL_MATCHING if standing.backfill.settings.recheck else JUST_THAT,
        "mends": mends(standing.backfill.definition),
        **_end_of(standing),
        "workflow": standing.backfill.workflow_name,
    } | dict(standing.known)


def _end_of(standing: Standing) -> dict[str, Any]:
    """When it ends: by its own rate, or as its workflow did before; or why nobody can tell."""
    found = standing.estimate
    if found is None or not standing.counts.remaining:
        return dict.fromkeys(("end", "first_end", "last_end", "usual_end", "no_end", "earliest_end"))
    end, usual = (None, found.completion_at) if standing.by_workflow else (found.completion_at, None)
    first, last = (None, None) if end is None else standing.ends_between or (None, None)
    why = None if found.unknown is None else str(found.unknown)
    return {
        "end": end,
        "first_end": first,
        "last_end": last,
        "usual_end": usual,
        "no_end": why,
        "earliest_end": found.earliest_at,
    }


def _blocker(reason: Reason, standing: Standing) -> Blocker:
    backfill, now = standing.backfill, standing.now
    known = facts_of(standing)
    own = dict(reason.facts or {})
    facts = {**known, **own, "since": reason.since, "until": reason.until}
    return Blocker(
        code=reason.code,
        text=reason.sentence_at(now, known),
        since=reason.since,
        until=reason.until,
        by=own.get("who") or (known.get("disabled_by") if reason.code is R.WORKFLOW_DISABLED else None),
        remedy=remedy_of(reason.code, facts, now=now),
        link=link_of(reason.code, id=backfill.id, workflow_id=backfill.workflow_id),
    )


def _of_blockers(blockers: Sequence[Blocker]) -> Iterator[Sentence]:
    first, *others = blockers
    yield first.text
    yield first.remedy
    for other in others:
        if other.code is R.OUTSIDE_WINDOW and other.until is not None:
            yield fill("It is also closed until {until:time}.", {"until": other.until})
        else:
            yield ("Behind that: ", *other.text)


def _of_speed(standing: Standing) -> Iterator[Sentence]:
    backfill, counts = standing.backfill, standing.counts
    limit = backfill.settings.max_in_flight
    facts = {
        **facts_of(standing), "limit": limit, "per_minute": rounded(standing.per_minute), "total": counts.total
    }  # fmt: skip
    if backfill.status is Status.PLANNING:
        yield fill("Counting, {total:count} so far.", facts)
        yield ("Nothing starts before the plan is frozen.",)
        return
    for reason in standing.reasons:  # recovering: nothing is in the way
        yield reason.sentence_at(standing.now, facts)
    speed = "{in_flight:count} of {limit:count} in flight[, about {per_minute:count} a minute]"
    if (slowed := standing.slowed) is not None and slowed.limit < limit:
        yield _of_latency(slowed, facts)
    else:
        is_full = counts.in_flight >= limit
        yield fill(f"{speed}; more would need a higher limit." if is_full else f"{speed}.", facts)
    yield from told(standing.bounds, standing.estimate, standing.known, now=standing.now)
    yield fill(LEFT, facts)


def _of_owner(standing: Standing) -> Iterator[Sentence]:
    """What is not known here, so that nobody takes it for nothing."""
    if standing.unheard is not None:
        yield (standing.unheard,)


def _of_plan(standing: Standing) -> Iterator[Sentence]:
    """What its source had to say while the plan was made."""
    for remark in standing.backfill.plan_remarks:
        yield (f"{remark[:1].upper()}{remark[1:].rstrip('.')}.",)


def _of_latency(slowed: Slowed, facts: Mapping[str, Any]) -> Sentence:
    """Why fewer are in flight than may be, by the target's latency."""
    terms = slowed.terms
    known = {
        **facts,
        "slots": slowed.limit,
        "seconds": None if slowed.seconds is None else f"{slowed.seconds:.3g}",
        "bound": f"{terms.latency_ms / 1000:.3g}",
        "share": OF_TRIES[terms.of],
        "over": terms.over,
    }
    begins = slowed.seconds is None
    return fill(
        "{slots:count} of {limit:count} in flight: nothing is known yet of the latency of the target; more after"
        " {over:count} good ones."
        if begins
        else "{slots:count} of {limit:count} in flight: the target takes {seconds} s for {share} (limit {bound} s); one"
        " more every {over:count} good ones.",
        known,
    )


def _verdict(standing: Standing) -> Sentence:
    backfill, counts = standing.backfill, standing.counts
    facts = {
        "ran": counts.succeeded + counts.failed, "failed": counts.failed, "total": counts.total,
        "cancelled": counts.cancelled, "skipped": counts.skipped, "done": counts.processed,
    }  # fmt: skip
    if backfill.status is Status.FAILED:
        error = backfill.error if isinstance(backfill.error, Mapping) else {}
        return fill("It cannot go on[: {problem}].", {"problem": error.get("message")})
    if backfill.status is Status.CANCELLED:
        return fill("Cancelled: {done:count} of {total:count} are done, {cancelled:count} were left out.", facts)
    if not counts.total:
        return ("Nothing was to be done: the plan is empty.",)
    if counts.failed and counts.failed == facts["ran"]:
        return fill("All {failed:count} failed.", facts)
    if counts.failed:
        return fill("{failed:count} of {ran:count} failed; everything else is done.", facts)
    return fill("Everything is done: {total:count} of {total:count}.", facts)


def _limits(standing: Standing) -> Iterator[Limit]:
    backfill = standing.backfill
    if backfill.status in ENDED:
        return
    yield Limit("max_in_flight", backfill.settings.max_in_flight, standing.counts.in_flight)
    yield from limits_of(standing.bounds, standing.allowances, per_minute=standing.per_minute)
    if backfill.settings.max_credits is not None:
        yield Limit("max_credits", backfill.settings.max_credits, standing.credits_used)
    if (slowed := standing.slowed) is not None:
        yield Limit("slow_down", slowed.limit, standing.counts.in_flight)
    if standing.places is not None:
        in_use, places = standing.places
        yield Limit("max_in_flight_total", places, in_use)
    for reason in standing.reasons:
        if reason.code is R.RECOVERING and reason.facts:
            yield Limit("recovering", reason.facts["items"], reason.facts["begun"])


def _next_start(standing: Standing) -> datetime | None:
    """When nothing of what is known is in the way any more; None if nobody knows that of all of it."""
    untils = [reason.until for reason in standing.reasons if reason.code is not R.RECOVERING]
    known = [until for until in untils if until is not None]
    if not untils or len(known) < len(untils):
        return None
    start = max(*known, standing.now)
    if standing.calendar is None:
        return start
    opening = standing.calendar.next_opening(start)
    return None if opening is None else max(opening.opens_at, start)
