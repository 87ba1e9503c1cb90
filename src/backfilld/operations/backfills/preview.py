"""What a backfill would do, and what a filter matches: answered before anything exists."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from backfilld.clock import Clock
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.estimating.ends import Estimate, Workload, own_bounds
from backfilld.domain.backfills.estimating.limits import Limit
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import Tree
from backfilld.domain.texts import many
from backfilld.domain.windows.openings import HORIZON, Calendar, Opening
from backfilld.engine.backfills.planning.plan_walk import ALREADY_RUN, ALREADY_SUCCEEDED, Scope
from backfilld.engine.surroundings import Work
from backfilld.operations.backfills.check import Checked, Wanted, opening_warnings
from backfilld.operations.backfills.ids_found import IdsFound
from backfilld.operations.backfills.plan_preview import PlanPreview, PlanPreviewer
from backfilld.operations.estimating.counting import CostEstimate, estimate_warnings
from backfilld.operations.estimating.outlook import Outlook, about_start, cap_warnings, outlook
from backfilld.operations.estimating.speeds import Speeds
from backfilld.operations.hints.field_hints import FieldHints, without_repeating
from backfilld.store.admin.runnable_workflows import RunnableWorkflow

DEFAULT_PROJECT = "default"
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
    estimate: Estimate
    limits: tuple[Limit, ...]
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
    at_least: int | None = None

    @property
    def success(self) -> bool:
        return self.level != "ERROR"


class Previewer:
    """Looks, and changes nothing."""

    def __init__(self, surveyor: PlanPreviewer, hints: FieldHints, speeds: Speeds, clock: Clock) -> None:
        self._surveyor = surveyor
        self._hints = hints
        self._speeds = speeds
        self._clock = clock

    async def preview(self, wanted: Wanted, *, wait_seconds: float = 0) -> Preview:
        """What creating this backfill now would do; who waits longer is told more. Invalid as there.

        Without a workflow nothing is known of what it ran before, of its cost and of its speed.
        """
        target, calendar, tree = wanted.looked_at()
        settings, checked, ids = wanted.settings, wanted.checked, wanted.entity_ids
        workflow_id = None if target is None else target.workflow_id
        survey, look = await asyncio.gather(
            self._surveyor.survey(
                Scope(wanted.entity_type, tree, ids, workflow_id, settings.reprocess_behavior),
                order=settings.order,
                wait_seconds=wait_seconds,
            ),
            self._hints.look(wanted.entity_type, tree, written=checked.written, entity_ids=ids),
        )
        remarks = await self._hints.remarks(wanted.entity_type)
        now = self._clock.now()
        outlook = await self._outlook(settings, target, calendar, survey)
        cost = CostEstimate(
            None if target is None else target.credits_per_entity,
            survey.to_run if survey.to_run is not None else survey.total,
        )
        return Preview(
            survey=survey,
            cost=cost,
            calendar=calendar,
            effective_windows=calendar.windows.effective(),
            openings=tuple(_next_openings(calendar, now)),
            notes=(*calendar.notes(now, now + NOTES_HORIZON), *about_start(settings), *outlook.notes),
            estimate=outlook.estimate,
            limits=outlook.limits,
            warnings=(
                *checked.warnings,
                *opening_warnings(calendar, now),
                *survey.warnings,
                *estimate_warnings(survey.total, settings.total_estimated),
                *_skip_warnings(survey, settings.reprocess_behavior),
                *cap_warnings(cost, settings),
                *look.warnings(survey.total),
                *remarks,
                *(IdsFound.of_skipped(len(ids), survey.skipped).warnings() if ids is not None else ()),
            ),
        )

    async def _outlook(
        self, settings: BackfillSettings, target: RunnableWorkflow | None, calendar: Calendar, survey: PlanPreview
    ) -> Outlook:
        """When it would begin and end, as the answers of a backfill tell it."""
        around, now = self._speeds.around, self._clock.now()
        listed = survey.total if survey.total is not None else survey.at_most or survey.seen
        bounds, allowances, usual, share = own_bounds(settings), [], None, 1.0
        if target is not None:
            project = str(target.definition.get("project") or DEFAULT_PROJECT)
            work = Work(target.name, project, target.revision_id, target.definition, settings.entity_type)
            bounds += around.bounds(work)
            allowances = around.allowances(work, to_list=listed)
            usual = (await self._speeds.usual([target.workflow_id], fresh=True)).get(target.workflow_id)
            share = await around.open_share(work, calendar)
        return outlook(
            Workload(
                now=now,
                calendar=calendar,
                items=survey.to_run,
                speed=None if usual is None else usual.per_second * settings.max_in_flight,
                bounds=bounds,
                allowances=allowances,
                open_share=share,
                plans_any_time=settings.start != "now" or around.plans_any_time(settings.entity_type),
            ),
            at_least=survey.to_run_at_least,
            max_in_flight=settings.max_in_flight,
            workflow=None if target is None else target.name,
        )

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
        return Verified(survey.total, level, message, tuple(survey.sample), told, survey.at_most, survey.at_least)

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
