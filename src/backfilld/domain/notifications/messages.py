"""A message, as it is kept and as each kind of endpoint wants it: what happened, why, numbers, what to do, a link.

Nothing of a record's content is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import orjson

Format = Literal["standard", "slack", "teams"]
Event = Literal[
    "created", "awaiting_approval", "sample_done", "stopped", "held_up", "recovered", "completed",
    "completed_with_failures", "cancelled", "failed",
]  # fmt: skip
EVENTS: tuple[Event, ...] = (
    "created", "awaiting_approval", "sample_done", "stopped", "held_up", "recovered", "completed",
    "completed_with_failures", "cancelled", "failed",
)  # fmt: skip
CHATS: frozenset[Format] = frozenset({"slack", "teams"})
Message: TypeAlias = Mapping[str, Any]

_TITLES: Mapping[str, str] = {
    "created": "created",
    "awaiting_approval": "waits for an approval",
    "sample_done": "has run its sample",
    "stopped": "stopped itself",
    "held_up": "is held up",
    "recovered": "goes on",
    "completed": "is completed",
    "completed_with_failures": "is completed, with failures",
    "cancelled": "is cancelled",
    "failed": "failed",
    "test": "is reached: this is a test",
}
_REMEDIES: Mapping[str, str] = {
    "awaiting_approval": "Look at the plan, then approve it.",
    "sample_done": "Look at what became of the sample, then go on or cancel.",
    "stopped": "Mend what it says, then resume.",
    "held_up": "It goes on by itself once that is mended.",
    "completed_with_failures": "What failed can be run again.",
    "failed": "It cannot go on by itself.",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to a backfill, or to a brake, as it was kept then."""

    sequence: int
    event: str
    at: datetime
    facts: Mapping[str, Any]
    backfill_id: str | None = None
    name: str | None = None
    workflow: str | None = None  # project/name
    brake: str | None = None
    by: str = "system"


def message_of(notice: Notice, public_url: str) -> Message:
    """As it is kept, and as Standard Webhooks send it."""
    facts = notice.facts
    data: dict[str, Any] = {"explain": _explained(notice), "by": notice.by, "sequence": notice.sequence}
    if notice.brake is not None:
        data["brake"] = {"name": notice.brake, "value": facts.get("value")}
    else:
        link = f"{public_url.rstrip('/')}/backfills/{notice.backfill_id}" if public_url else None
        data["backfill"] = {
            "id": notice.backfill_id,
            "name": notice.name,
            "workflow": notice.workflow,
            "status": facts.get("status"),
            "status_reason": _reason(facts),
            "counters": {
                key: facts.get(key) or 0 for key in ("planned", "succeeded", "failed", "skipped", "cancelled")
            },
            "url": link,
        }
    return {"type": f"backfill.{notice.event}", "timestamp": _instant(notice.at), "data": data}


def test_message(endpoint: str, at: datetime) -> Message:
    """What "send a test" sends."""
    explain = [f"The endpoint {endpoint} of backfilld is reached."]
    return {
        "type": "test",
        "timestamp": _instant(at),
        "data": {"explain": explain, "by": "system", "sequence": 0, "backfill": None},
    }


def body_of(message: Message, format: Format, *, again: bool = False) -> bytes:
    """What is sent. `again`: it may be there already, which a chat cannot know."""
    if format == "standard":
        return orjson.dumps(message)
    title = title_of(message) + (" (again)" if again else "")
    sentences = [str(one) for one in message["data"]["explain"]]
    return orjson.dumps(_slack(title, sentences, message) if format == "slack" else _teams(title, sentences, message))


def title_of(message: Message) -> str:
    """One line: who, and what became of it."""
    what = str(message["type"]).removeprefix("backfill.")
    told = _TITLES.get(what, what)
    if (brake := message["data"].get("brake")) is not None:
        return f"The brake {brake['name']} stopped everything that it applies to"
    backfill = message["data"].get("backfill")
    if backfill is None:
        return f"backfilld {told}"
    return f"{backfill['name'] or backfill['workflow'] or backfill['id']} {told}"


def _explained(notice: Notice) -> list[str]:
    facts, sentences = notice.facts, []
    if facts.get("reason_message") and notice.event != "recovered":
        sentences.append(str(facts["reason_message"]))
    if notice.event == "recovered":
        sentences.append("What held it up is over.")
    error = facts.get("error")
    if notice.event == "failed" and isinstance(error, Mapping) and error.get("message"):
        sentences.append(str(error["message"]))
    if (numbers := _numbers(facts)) is not None and notice.event != "created":
        sentences.append(numbers)
    remedy = "Reset it once it is well." if notice.brake is not None else _REMEDIES.get(notice.event)
    return [*sentences, remedy] if remedy else sentences


def _numbers(facts: Mapping[str, Any]) -> str | None:
    planned = facts.get("planned")
    if not planned:
        return None
    parts = [
        f"{facts.get(key) or 0:,} {key}" for key in ("succeeded", "failed", "skipped", "cancelled") if facts.get(key)
    ]
    return f"Of {planned:,}: {', '.join(parts)}." if parts else f"Of {planned:,} none has ended."


def _reason(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    if facts.get("reason_code") is None:
        return None
    return {key: facts.get(f"reason_{key}") for key in ("code", "message", "since", "until")}


def _link(message: Message) -> str | None:
    backfill = message["data"].get("backfill")
    return None if backfill is None else backfill["url"]


def _slack(title: str, sentences: list[str], message: Message) -> dict[str, Any]:
    link = _link(message)
    head = f"<{link}|{_escaped(title).replace('|', '¦')}>" if link else _escaped(title)
    text = "\n".join([f"*{head}*", *map(_escaped, sentences)])
    block = {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}
    return {"text": _escaped(title), "blocks": [block]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(title: str, sentences: list[str], message: Message) -> dict[str, Any]:
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": True},
        *({"type": "TextBlock", "text": sentence, "wrap": True} for sentence in sentences),
    ]
    backfill = message["data"].get("backfill")
    if backfill is not None:
        facts = [{"title": key, "value": str(number)} for key, number in backfill["counters"].items()]
        body.append({"type": "FactSet", "facts": facts})
    card: dict[str, Any] = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    if (link := _link(message)) is not None:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _instant(at: datetime) -> str:
    return orjson.loads(orjson.dumps(at, option=orjson.OPT_UTC_Z))  # type: ignore[no-any-return]  # a string
