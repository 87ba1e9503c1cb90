"""What would change it: for each reason the sentence behind its own, and where one goes to do something about it.

`holding.ENTRIES` says what is so; this says what becomes of it by itself, and what a person can do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.sentences import Sentence, fill

R = ReasonCode
ASKED_AGAIN = "[Asked again {until:in}]"
BEING_ASKED = "It is being asked right now"


@dataclass(frozen=True, slots=True)
class Remedy:
    """`text` may name whatever is known of the backfill; `link` is the route that helps, with `{id}` of the backfill or
    `{workflow_id}`. Where the text begins with when it is asked again, that is "right now" while a probe is out."""

    text: str
    link: str | None = None


LEFT = (
    "{items_left:count} are left[; at the recent rate the end is expected {end:time}]"
    "[ (between {first_end:time} and {last_end:time})]"
    "[; as fast as its workflow was before the end is expected {usual_end:time}]"
    "[; the end cannot be estimated: {no_end}][; not before {earliest_end:time}]."
)
_BACKFILL = "/public-api/backfills/{id}"

REMEDIES: Final[Mapping[str, Remedy]] = {
    R.OUTSIDE_WINDOW: Remedy(LEFT, _BACKFILL),
    R.NEVER_OPENS: Remedy("Edit the windows.", _BACKFILL),
    R.WAITING_FOR_RETRY: Remedy("[They failed with {classes}. ]After their last try they count as failed.", None),
    R.PAUSED_BY_USER: Remedy(
        "{items_left:count} are left. Nothing starts until [{until:time}, or until ]somebody resumes it.",
        f"{_BACKFILL}/resume",
    ),
    R.AWAITING_APPROVAL: Remedy("Nothing has started. Nothing but what is approved will run.", f"{_BACKFILL}/resume"),
    R.SAMPLE_DONE: Remedy("Go on to run the other {items_left:count}.", f"{_BACKFILL}/resume"),
    R.TOO_MANY_FAILURES: Remedy(
        "Look at what failed, then resume. {items_left:count} are left.", f"{_BACKFILL}/resume"
    ),
    R.BUDGET_EXHAUSTED: Remedy("Raise the cap, then resume. {items_left:count} are left.", f"{_BACKFILL}/resume"),
    R.TARGET_UNREACHABLE: Remedy(f"{ASKED_AGAIN}; no item is charged a try; goes on by itself."),
    R.TARGET_REFUSES: Remedy(
        f"{ASKED_AGAIN}; mend its address, headers or secret. Used by {{workflow}}.",
        "/public-api/workflows/{workflow_id}",
    ),
    R.SOURCE_UNREACHABLE: Remedy(f"{ASKED_AGAIN}; nothing fails, and it goes on by itself."),
    R.SOURCE_REFUSED: Remedy(f"{ASKED_AGAIN}; mend its credentials, and SIGHUP asks at once. Nothing fails meanwhile."),
    R.SOURCE_BUDGET: Remedy("It goes on by itself[; used by {others_at_source}, too]. " + LEFT),
    R.RATE_LIMITED: Remedy("Holds for every backfill that uses it[: also {others_at_target}]."),
    R.WAITING_FOR_CAPACITY: Remedy("It goes on by itself as soon as there is room."),
    R.DRAINING: Remedy("Nothing more starts here."),
    R.WORKFLOW_DISABLED: Remedy("Enable it; then it goes on by itself.", "/public-api/workflows/{workflow_id}"),
    R.RECOVERING: Remedy("Nothing needs to be done."),
    R.BRAKED: Remedy("It goes on by itself; an admin may release the brake for a while.", "/public-api/brakes"),
    R.BRAKED_CRITICALLY: Remedy("Look at what it shows; then reset it.", "/public-api/brakes"),
    R.ENGINE_UNREACHABLE: Remedy(f"{ASKED_AGAIN}; what runs there goes on and is found again.", "/public-api/engines"),
    R.NO_WORKERS: Remedy("Start a worker; goes on by itself.", "/public-api/engines"),
    R.STOPPED_BY_OPERATOR: Remedy("An admin starts it again with Start all.", "/public-api/start-all"),
}


def remedy_of(code: ReasonCode, known: Mapping[str, Any], *, now: Any) -> Sentence:
    """What would change it. `known`: `items_left`, `workflow`, `until`, and what else the text of the code names."""
    text = REMEDIES[code].text
    if text.startswith(ASKED_AGAIN):
        is_known = known.get("until") is not None
        text = text if is_known else BEING_ASKED + text.removeprefix(ASKED_AGAIN)
    return fill(text, known, now)


def enabling(workflow_id: int, managed_by: str) -> str:
    """How a disabled workflow is enabled, which depends on where it comes from."""
    if managed_by == "config":
        return "`enabled = true` in the configuration file, and SIGHUP, enable it"
    if managed_by == "mirror":
        return "it is a mirror: mirroring it anew enables it"
    return f'PATCH /public-api/workflows/{workflow_id} with {{"enabled": true}}, by an admin, enables it'


def link_of(code: ReasonCode, *, id: object, workflow_id: int) -> str | None:
    """The route that helps, whole."""
    link = REMEDIES[code].link
    return None if link is None else link.format(id=id, workflow_id=workflow_id)
