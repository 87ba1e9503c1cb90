"""What may be done to a schedule as it stands."""

from collections.abc import Sequence

from backfilld.domain.schedules import FINISHED_AT
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.web.pages.backfill.verbs import Verb


def verbs_of(stored: StoredSchedule, *, readable: bool) -> Sequence[Verb]:
    """Those that are possible now; the first is what most likely comes next."""
    made: list[Verb] = []
    if readable and stored.workflow_enabled:
        made.append(Verb("backfill", "Backfill…", "primary"))
    if readable and stored.next_session_at < FINISHED_AT:
        made.append(Verb("skip", "Skip…"))
    if stored.disabled_at is not None and readable:
        made.append(Verb("enable", "Enable…"))
    if stored.disabled_at is None and stored.next_session_at < FINISHED_AT:
        made.append(Verb("disable", "Disable…", "danger"))
    return made
