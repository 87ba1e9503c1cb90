"""The settings of the dashboard."""

from pydantic import Field

from backfilld.config.fields import Section


class DashboardSettings(Section):
    """What the pages ask of people."""

    require_reason: bool = Field(
        default=False,
        description="Whether a reason must be given on pages that pause, cancel or delete a backfill, run it outside of"
        " its windows, change its settings, resume one that stopped by itself, disable or delete a workflow, disable a"
        " schedule, revoke an API key, or stop everything.",
    )
