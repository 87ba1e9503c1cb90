"""Testing an entity again right before its first start: where that can be done, and what is said of it."""

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.errors import Fault

ASKED_ONCE = "the filter is asked once, while the plan is made: what stops matching before its turn is run all the same"
ASKED_AGAIN = (
    "the filter is asked again right before each first start: what has stopped matching by then is skipped"
    " (no_longer_matches)"
)


def filter_note(settings: BackfillSettings) -> str | None:
    """What becomes of entities that stop matching; None where there is no filter that they could stop to match."""
    if not settings.filter_spec or settings.filter_spec == {"match_all": True}:
        return None
    return ASKED_AGAIN if settings.recheck else ASKED_ONCE


def recheck_fault(entity_type: str | None, *, reads_again: bool, is_rerun: bool = False) -> Fault | None:
    """Why entities of that type (None: sessions) cannot be tested again; None: they can."""
    if entity_type is None:
        why = "a backfill over sessions has no filter that could be asked again"
    elif is_rerun:
        why = "a rerun runs what was chosen, whatever became of it since; make a new backfill"
    elif not reads_again:
        why = f"entities of type '{entity_type}' cannot be read again, so each is run as the plan holds it"
    else:
        return None
    return Fault("/recheck", "recheck_not_possible", why)
