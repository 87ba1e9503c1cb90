"""Rows of the lists: workflows, keys, messages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from backfilld.api.framework.answering.rows import StandIn, shown
from backfilld.api.public.keys import KeyAnswer
from backfilld.api.public.notifications import DeliveryAnswer
from backfilld.api.public.workflows import WorkflowAnswer
from backfilld.web.words.states import Pill

OWNERS = {"config": "the configuration file", "api": "the API", "push": "a project that was pushed"}


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """`verb`: what an administrator may do with it here; "" for what is changed elsewhere. `problem`: of one that this
    version cannot read."""

    id: int
    name: str
    project: str
    pill: Pill
    runs: str = ""
    place: str = ""
    schedule: str = ""
    kept_in: str = ""
    verb: Literal["enable", "disable", ""] = ""
    problem: str = ""


def workflow_of(found: Any) -> WorkflowRow:
    """Also of one that cannot be read."""
    one = shown(WorkflowAnswer, found)
    if isinstance(one, StandIn):
        pill = Pill("Unreadable", "alert", "bad")
        return WorkflowRow(one["id"], str(one["name"]), str(one["project"]), pill, problem=str(one["unreadable"]))
    executor = one.executor.model_dump(mode="json")
    place = executor.get("url") or " ".join(executor.get("argv") or ())
    verb: Literal["enable", "disable", ""] = ""
    if one.managed_by == "api":
        verb = "disable" if one.enabled else "enable"
    schedule = ", ".join(f"{name.rstrip('>')} {value}" for name, value in (one.schedule or {}).items())
    return WorkflowRow(
        id=one.id,
        name=one.name,
        project=one.project,
        pill=Pill("Enabled", "done", "ok") if one.enabled else Pill("Disabled", "hold", "idle"),
        runs=executor["type"],
        place=place,
        schedule=f"{schedule} ({one.timezone})" if schedule else "",
        kept_in=OWNERS[one.managed_by],
        verb=verb,
    )


def key_pill(one: KeyAnswer, now: datetime) -> Pill:
    """Whether a key opens anything."""
    if one.revoked_at is not None:
        return Pill("Revoked", "wait", "idle")
    if one.expires_at is not None and one.expires_at <= now:
        return Pill("Expired", "wait", "idle")
    return Pill("Valid", "done", "ok")


def delivery_pill(one: DeliveryAnswer) -> Pill:
    """What became of a message."""
    if one.state == "delivered":
        return Pill("Arrived", "done", "ok")
    return Pill("Given up", "alert", "bad") if one.state == "dead" else Pill("On its way", "run", "run")
