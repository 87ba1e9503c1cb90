"""What would change it: for each reason the sentence behind its own, and where one goes to do something about it.

`holding.ENTRIES` says what is so; this says what becomes of it by itself, and what a person can do.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.sentences import Sentence, fill, required

R = ReasonCode
BEING_ASKED = "It is being asked right now"
_ASKED_AGAIN = re.compile(r"\[([Aa])sked again \{until:in\}[^\]]*\]")

Text = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """`text` may name whatever is known of the backfill; where it depends on the case of the reason, one for each case.
    Of several texts it is the first of which everything is known that stands outside of brackets. `link` is the route
    that helps, with `{id}` of the backfill or `{workflow_id}`. When it is asked again is "right now" while a probe is
    out."""

    text: Text | Mapping[str, Text]
    link: str | None = None


LEFT = (
    "{items_left:count} are left[; at the recent rate the end is expected {end:time}]"
    "[ (between {first_end:time} and {last_end:time})]"
    "[; as fast as its workflow was before the end is expected {usual_end:time}]"
    "[; the end cannot be estimated: {no_end}][; not before {earliest_end:time}]."
)
_LOOKED_AT = "Looked at every {every} s; goes on after {looks}"
_BACKFILL = "/public-api/backfills/{id}"

REMEDIES: Final[Mapping[str, Remedy]] = {
    R.OUTSIDE_WINDOW: Remedy(LEFT, _BACKFILL),
    R.NEVER_OPENS: Remedy("Edit the windows.", _BACKFILL),
    R.WAITING_FOR_RETRY: Remedy(
        {
            "items": (
                "They failed with {classes}; after [{at_most} ]{tries_left:count} more {tries} each counts as failed.",
                "[They failed with {classes}. ]After their last try they count as failed.",
            ),
            "chain": (
                "It failed with {classes}; after {tries_left:count} more {tries} it counts as failed.",
                "After its last try it counts as failed.",
            ),
            "others": "It goes on by itself once that has ended.",
        }
    ),
    R.PAUSED_BY_USER: Remedy(
        "{items_left:count} are left. Nothing starts until [{until:time}, or until ]somebody resumes it.",
        f"{_BACKFILL}/resume",
    ),
    R.AWAITING_APPROVAL: Remedy("Nothing has started. {approved}.", f"{_BACKFILL}/resume"),
    R.SAMPLE_DONE: Remedy("Go on to run the other {items_left:count}.", f"{_BACKFILL}/resume"),
    # What is told of these two by notifications is the first sentence alone, so it says more of them.
    R.TOO_MANY_FAILURES: Remedy(
        "Look at what failed, then resume. {items_left:count} are left.", f"{_BACKFILL}/resume"
    ),
    R.BUDGET_EXHAUSTED: Remedy("Raise the cap, then resume. {items_left:count} are left.", f"{_BACKFILL}/resume"),
    R.TARGET_UNREACHABLE: Remedy("[Asked again {until:in}]; no item is charged a try; goes on by itself."),
    R.TARGET_REFUSES: Remedy(
        "Mend {mends}; [asked again {until:in}]. Used by {workflow}.", "/public-api/workflows/{workflow_id}"
    ),
    R.SOURCE_UNREACHABLE: Remedy("[Asked again {until:in}]; nothing fails, and it goes on by itself."),
    R.SOURCE_REFUSED: Remedy("Nothing fails; [asked again {until:in}, or at once after SIGHUP]. Mend its credentials."),
    R.SOURCE_BUDGET: Remedy("It goes on by itself[; used by {others_at_source}, too]. " + LEFT),
    R.RATE_LIMITED: Remedy("Holds for every backfill that uses it[: also {others_at_target}]."),
    R.WAITING_FOR_CAPACITY: Remedy("It goes on by itself as soon as there is room."),
    R.DRAINING: Remedy("Nothing more starts here."),
    R.WORKFLOW_DISABLED: Remedy("Enable it; then it goes on by itself.", "/public-api/workflows/{workflow_id}"),
    R.RECOVERING: Remedy("Nothing needs to be done."),
    R.BRAKED: Remedy(
        {
            "above": f"{_LOOKED_AT} at or below {{release}}.",
            "below": f"{_LOOKED_AT} at or above {{release}}.",
            "said": f"{_LOOKED_AT} that find nothing.",
            "blind": f"{_LOOKED_AT} that find it well.",
            "first": "It is looked at right now.",
        },
        "/public-api/brakes",
    ),
    R.BRAKED_CRITICALLY: Remedy("Nothing that it applies to starts until somebody resets it.", "/public-api/brakes"),
    R.ENGINE_UNREACHABLE: Remedy(
        "[Asked again {until:in}]; no item is charged a try; goes on by itself.", "/public-api/engines"
    ),
    R.NO_WORKERS: Remedy("Start a worker; it goes on by itself, and nothing is lost.", "/public-api/engines"),
    R.STOPPED_BY_OPERATOR: Remedy("An admin starts it again with Start all.", "/public-api/start-all"),
}


def remedy_of(code: ReasonCode, known: Mapping[str, Any], *, now: Any) -> Sentence:
    """What would change it. `known`: `items_left`, `workflow`, `until`, and what else the text of the code names."""
    texts = REMEDIES[code].text
    if isinstance(texts, Mapping):  # one that was kept when its code had one text names none of several
        texts = texts[known.get("case", next(iter(texts)))]
    text = texts if isinstance(texts, str) else next(filter(lambda one: _is_known(one, known), texts), texts[-1])
    if known.get("until") is None:
        text = _ASKED_AGAIN.sub(_being_asked, text)
    return fill(text, known, now)


def _is_known(text: str, known: Mapping[str, Any]) -> bool:
    return all(known.get(name) is not None for name in required(text))


def _being_asked(match: re.Match[str]) -> str:
    return BEING_ASKED if match[1] == "A" else BEING_ASKED[0].lower() + BEING_ASKED[1:]


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


def mends(definition: Mapping[str, Any]) -> str:
    """What is to be mended where a workflow so defined is refused: its secrets, by their names, if it has any."""
    names = dict.fromkeys(_secrets_in(definition.get("executor")))
    if not names:
        return "its address or headers"
    return f"{'secret' if len(names) == 1 else 'one of the secrets'} {', '.join(f'“{name}”' for name in names)}"


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.keys() == {"secret"} and isinstance(value["secret"], str):
            yield value["secret"]
            return
        for name, part in value.items():
            yield from [part] if name == "secret" and isinstance(part, str) else _secrets_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets_in(part)
