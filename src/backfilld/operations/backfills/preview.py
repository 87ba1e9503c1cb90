"""What a backfill would do, and what a filter matches: answered before anything exists."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from backfilld.clock import Clock
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.progress import finish_at
from backfilld.domain.backfills.rechecking import filter_note
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import Tree
from backfilld.domain.texts import many
from backfilld.domain.windows.openings import HORIZON, Calendar, Opening
from backfilld.engine.backfills.planning.plan_walk import ALREADY_RUN, ALREADY_SUCCEEDED, Scope
from backfilld.operations.backfills.check import Checked, Wanted, opening_warnings
from backfilld.operations.backfills.estimate import CostEstimate, estimate_warnings
from backfilld.operations.backfills.field_hints import FieldHints, without_repeating
from backfilld.operations.backfills.ids_found import IdsFound
from backfilld.operations.backfills.plan_preview import PlanPreview, PlanPreviewer
from backfilld.store.admin.runnable_workflows import RunnableWorkflow, RunnableWorkflowStore

OPENINGS_SHOWN = 10
WEEK = timedelta(days=7)
NOTES_HORIZON = timedelta(days=60)  # clock changes further away are nobody's concern yet

Level = Literal["OK", "WARNING", "ERROR"]


@dataclass(frozen=True, slots=True)
class Preview:
    """Numbers are None where they could not be had in time. `calendar` turns instants into local times."""

    survey: PlanPreview
    cost: CostEstimate
    calendar: Calendar
    effective_windows: Mapping[str, Any]
    openings: tuple[tuple[datetime, datetime | None], ...]  # closes: None if not within HORIZON
    notes: tuple[str, ...]
    estimated_start_at: datetime | None
    estimated_completion_at: datetime | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a filter matches; `matching` is None if counting took too long. `success` is False if nobody could look."""

    matching: int | None
    level: Level
    message: str
    sample: tuple[Entity, ...]
    warnings: tuple[str, ...]
    at_most: int | None = None

    @property
    def success(self) -> bool:
        return self.level != "ERROR"


class Previewer:
    """Looks, and changes nothing."""

    def __init__(
        self, surveyor: PlanPreviewer, hints: FieldHints, targets: RunnableWorkflowStore, clock: Clock
    ) -> None:
        self._surveyor = surveyor
        self._hints = hints
        self._targets = targets
        self._clock = clock

    async def preview(self, wanted: Wanted, *, wait_seconds: float = 0) -> Preview:
        """What creating this backfill now would do; who waits longer is told more. Invalid as there."""
        target, calendar, tree = wanted.whole()
        settings, checked = wanted.settings, wanted.checked
        behavior = settings.reprocess_behavior
        ids = wanted.entity_ids
        survey, look = await asyncio.gather(
            self._surveyor.survey(
                Scope(wanted.entity_type, tree, ids, target.workflow_id, behavior),
                order=settings.order,
                wait_seconds=wait_seconds,
            ),
            self._hints.look(wanted.entity_type, tree, written=checked.written, entity_ids=ids),
        )
        remarks = await self._hints.remarks(wanted.entity_type)
        now = self._clock.now()
        starts_at = _start_at(calendar, now)
        completes_at, unknown = await self._completion(settings, target, calendar, survey, starts_at)
        return Preview(
            survey=survey,
            cost=CostEstimate(target.credits_per_entity, survey.to_run if survey.to_run is not None else survey.total),
            calendar=calendar,
            effective_windows=calendar.windows.effective(),
            openings=tuple(_next_openings(calendar, now)),
            notes=(*calendar.notes(now, now + NOTES_HORIZON), *_approval_note(settings), *unknown),
            estimated_start_at=starts_at,
            estimated_completion_at=completes_at,
            warnings=(
                *checked.warnings,
                *opening_warnings(calendar, now),
                *survey.warnings,
                *estimate_warnings(survey.total, settings.total_estimated),
                *_skip_warnings(survey, behavior),
                *look.warnings(survey.total),
                *remarks,
                *(IdsFound.of_skipped(len(ids), survey.skipped).warnings() if ids is not None else ()),
            ),
        )

    async def _completion(
        self,
        settings: BackfillSettings,
        target: RunnableWorkflow,
        calendar: Calendar,
        survey: PlanPreview,
        starts_at: datetime | None,
    ) -> tuple[datetime | None, list[str]]:
        """When it would end; else a note that says why that cannot be told."""
        if starts_at is None:
            return None, ["the end cannot be estimated: its windows never open"]
        if survey.to_run is None:
            return None, ["the end cannot be estimated: how much would run is not known"]
        if survey.to_run == 0:
            return starts_at, []
        pace = await self._targets.find_pace(target.workflow_id)
        if pace is None:
            return None, [f"the end cannot be estimated: workflow {target.name} has no backfill yet to tell its pace"]
        end = finish_at(calendar, starts_at, survey.to_run, pace * settings.max_in_flight)
        return end, [] if end is not None else ["the end cannot be estimated: it is more than ten years away"]

    async def verify(self, entity_type: str, checked: Checked, *, wait_seconds: float = 0) -> Verified:
        """How many entities a filter matches, and what looks wrong about that. Invalid for a filter with faults."""
        checked.require()
        if checked.tree is None:
            raise ValueError("a body that was not checked")
        survey, look = await asyncio.gather(
            self._surveyor.survey(Scope(entity_type, checked.tree), wait_seconds=wait_seconds),
            self._hints.look(entity_type, checked.tree, written=checked.written),
        )
        warnings = [*checked.warnings, *look.sentences]
        level, message = await self._judge(entity_type, checked.tree, warnings, survey)
        told = (*warnings, *survey.warnings, *await self._hints.remarks(entity_type))
        return Verified(survey.total, level, message, tuple(survey.sample), told, survey.at_most)

    async def _judge(
        self, entity_type: str, tree: Tree, warnings: Sequence[str], survey: PlanPreview
    ) -> tuple[Level, str]:
        if survey.problem is not None:
            return "ERROR", survey.problem
        if survey.total is None:
            return "WARNING", "; ".join(["the filter is valid", *survey.warnings])
        if survey.total > 0:
            level: Level = "WARNING" if warnings else "OK"
            of_type = f"of type {entity_type}"
            matching = many(survey.total, f"entity {of_type} matches", f"entities {of_type} match")
            return level, "; ".join([matching, *warnings])
        reasons = without_repeating(await self._surveyor.why_none(entity_type, tree), warnings)
        return "WARNING", "; ".join([f"no entity of type {entity_type} matches", *reasons])


def _approval_note(settings: BackfillSettings) -> list[str]:
    if settings.start == "now":
        return []
    notes = ["it waits for approval; start and end are estimated as if it were approved now"]
    about_filter = filter_note(settings)
    return [*notes, about_filter] if about_filter else notes


def _start_at(calendar: Calendar, now: datetime) -> datetime | None:
    opening = calendar.next_opening(now)
    return None if opening is None else max(opening.opens_at, now)


def _next_openings(calendar: Calendar, now: datetime) -> list[tuple[datetime, datetime | None]]:
    """The next few, the present one included; a week usually has enough of them, and a year is long to walk."""
    found: list[Opening] = []
    for days in (WEEK, 4 * WEEK, HORIZON):
        found = calendar.intervals(now, now + days)
        if len(found) > OPENINGS_SHOWN:  # the last one may be cut off by the end of the search
            break
    end = now + HORIZON
    return [(one.opens_at, one.closes_at if one.closes_at < end else None) for one in found[:OPENINGS_SHOWN]]


def _skip_warnings(survey: PlanPreview, behavior: str) -> list[str]:
    skipped = survey.skipped or {}
    said = {ALREADY_SUCCEEDED: ("has succeeded", "have succeeded"), ALREADY_RUN: ("was run", "were run")}
    entities = many(survey.total or 0, "entity", "entities")
    found = []
    for reason, done in said.items():
        if count := skipped.get(reason):
            what, are = (done[0], "is") if count == 1 else (done[1], "are")
            why = f"(reprocess_behavior is '{behavior}')"
            found.append(f"{count:,} of {entities} {what} under this workflow before and {are} left out {why}")
    return found
