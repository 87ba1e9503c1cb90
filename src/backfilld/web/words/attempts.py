"""How an attempt stands, in a word with its mark."""

from collections.abc import Mapping

from backfilld.domain.sessions.records import AttemptStatus
from backfilld.web.words.states import Pill

S = AttemptStatus
PILLS: Mapping[AttemptStatus, Pill] = {
    S.SUCCESS: Pill("Succeeded", "done", "ok"),
    S.ERROR: Pill("Failed", "alert", "bad"),
    S.KILLED: Pill("Killed", "wait", "idle"),
    S.RUNNING: Pill("Running", "run", "run"),
    S.CANCELING: Pill("Being killed", "hold", "warn"),
    S.QUEUED: Pill("Queued", "wait", "idle"),
    S.BLOCKED: Pill("Waits its turn", "wait", "idle"),
}
# The fill of its mark, as of outcomes of entities.
FILLS: Mapping[AttemptStatus, str] = {
    S.SUCCESS: "succeeded", S.ERROR: "failed", S.KILLED: "cancelled", S.RUNNING: "flight", S.CANCELING: "flight",
    S.QUEUED: "pending", S.BLOCKED: "pending",
}  # fmt: skip
