"""Entities of our own that SQL alone can choose: they lie in the database that the plan goes into.

Such a page is planned by one statement. Nothing of it passes through this process, which has the rest of its work to
do meanwhile, and the whole costs less than to copy the rows out and in again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load
from backfilld.store.entities.entities import Condition, with_condition

queries = load("backfills.selections")

FIRST_PARAMETER = 11


@dataclass(frozen=True, slots=True)
class Selection:
    """Entities of a type by id, those that fulfil a condition made for FIRST_PARAMETER (None: all of them).

    `cursor_of` is the cursor of a listing that has got to an id: it goes on from there, in whichever way.
    `named`: those that the backfill was given, by their place in that list.
    """

    entity_type: str
    condition: Condition | None
    cursor_of: Callable[[str], str]
    named: bool = False


@dataclass(frozen=True, slots=True)
class LeavingOut:
    """Why what ended under the workflow before is left out: with success, or otherwise. None: it is not."""

    workflow_id: int
    succeeded: str | None
    others: str | None


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """What one statement has planned; `last` is where the next goes on, None if there was nothing."""

    entities: int
    skipped: int
    last: str | None


async def plan_page(
    connection: Connection,
    backfill_number: int,
    selection: Selection,
    leaving_out: LeavingOut,
    *,
    position: int,
    after: str,
    most: int,
    at: datetime,
    drafts: bool,
) -> PlannedPage:
    """Plan up to `most` entities behind `after`, an id or a place in the list of ids, from `position` on."""
    statement = queries.plan_named if selection.named else queries.plan_selected
    sql, parameters = with_condition(statement, selection.condition)
    row = await connection.fetchrow(
        sql, backfill_number, position, at, drafts, selection.entity_type,
        int(after or 0) if selection.named else after, most,
        leaving_out.workflow_id, leaving_out.succeeded, leaving_out.others, *parameters,
    )  # fmt: skip
    assert row is not None  # noqa: S101 - it counts
    return PlannedPage(**row)
