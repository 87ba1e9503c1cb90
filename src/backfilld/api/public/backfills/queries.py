"""What can be asked of lists of backfills and of ledgers."""

from typing import Annotated, Literal

from pydantic import Field

from backfilld.api.framework.reading.fields import (
    LARGEST_ID,
    Instant,
    Page,
    Query,
)
from backfilld.api.public.backfills.bodies import LedgerStatus
from backfilld.domain.backfills.holding import Group
from backfilld.domain.backfills.states import Status
from backfilld.domain.entities.records import EntityType
from backfilld.operations.backfills.plan_preview import LONGEST_WAIT_SECONDS


class Patience(Query):
    """How long a look at what would happen may take."""

    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT_SECONDS)] = Field(
        0, description="Seconds to go on looking, if that is longer than engine.count_timeout_seconds."
    )


class ListBackfills(Page):
    """Which backfills; everything given has to hold."""

    status: list[Status] = Field(default_factory=list, description="Any of these.")
    kind: Literal["entities", "schedule"] | None = None
    entity_type: EntityType | None = None
    target_workflow_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    created_by: Annotated[str, Field(max_length=500)] | None = None
    created_after: Instant | None = Field(None, description="At or after.")
    created_before: Instant | None = Field(None, description="Before.")
    group: Group | None = Field(None, description="`attention`: needs a person.")
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="In name, workflow or entity type, whatever the case, or the beginning of an id."
    )


class ListLedger(Page):
    """Which entries of a ledger; everything given has to hold."""

    status: list[LedgerStatus] = Field(default_factory=list, description="Any of these.")
    error_class: Annotated[str, Field(max_length=200)] | None = None
    error_group: Annotated[str, Field(pattern="^[0-9a-f]{18}$")] | None = Field(
        None, description="Failures of one group, as `errors` names it.", examples=["014fd7ca784fe4824b"]
    )
    entity_id: Annotated[str, Field(max_length=512)] | None = None
