"""The settings of forgetting: how long the past is kept."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from backfilld.config.fields import Section

Days = Annotated[int, Field(ge=0, le=36_500)]  # 0: for ever


class RetentionSettings(Section):
    """How long the past is kept: for ever, unless a number of days is set."""

    ledgers_days: Days = Field(
        default=0,
        description="Days after its end that a backfill is kept, with plan, tries, outcomes and timeline; then it is"
        " deleted as by DELETE. The last outcome of each entity stays known to later backfills. 0: for ever.",
    )
    entities_days: Days = Field(
        default=0,
        description="Days after its last change here that an entity of the built-in store is deleted. What a feed"
        " brings again unchanged counts as unchanged: set this only where old records shall go. 0: for ever.",
    )
    audit_days: Days = Field(
        default=0, description="Days that the log of who did what is kept; your auditors know how many. 0: for ever."
    )

    @property
    def ledgers(self) -> timedelta | None:
        """None: for ever."""
        return timedelta(days=self.ledgers_days) if self.ledgers_days else None

    @property
    def entities(self) -> timedelta | None:
        """None: for ever."""
        return timedelta(days=self.entities_days) if self.entities_days else None

    @property
    def audit(self) -> timedelta | None:
        """None: for ever."""
        return timedelta(days=self.audit_days) if self.audit_days else None
