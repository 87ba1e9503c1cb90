"""What every executor is: a way to do one item, told when it may start.

The gate is the last synchronous step before a start. So an executor first awaits whatever must be
awaited (a connection, a file), then calls `permit.start()`, and sends without awaiting anything else
in between. `permit.sent()` tells the gate that nothing of this start is still on its way out, which is
what the answer to a pause waits for.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol
from uuid import UUID

from backfilld.domain.backfills.verdicts import Verdict
from backfilld.domain.records import plain_record


class NotPermitted(Exception):
    """The gate is closed: nothing was sent, and the item goes back to where it came from."""


class Permit(Protocol):
    """The right to start one item, used up by `start()`."""

    def start(self) -> None:
        """Pass the gate at this very moment; raises `NotPermitted` if it is closed. Call it once per try."""

    def sent(self) -> None:
        """Nothing of this start is on its way out any more. May be called again, or never (then `execute` ends)."""


@plain_record
class Work:
    """One item as an executor receives it; the payload that a target sees is made of these (docs/executors.md).

    An item is an entity or, where `session` has its variables, a session; then `entity_id` is the session time, and
    `entity_type` and `attributes` say nothing. `backfill_id` is None for an attempt that no backfill made. `variables`
    are what `${name}` stands for in the definition, where that is to be put in. `wants_log`: keep what is printed or
    answered in `Verdict.log`.
    """

    workflow_id: int
    workflow_name: str
    backfill_id: UUID | None
    backfill_name: str | None
    entity_id: str
    entity_type: str
    attributes: Mapping[str, Any]
    as_of: str | None
    params: Mapping[str, Any]
    rehearsal: bool
    attempt: int
    idempotency_key: str
    timeout_seconds: float
    session: Mapping[str, str] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    wants_log: bool = False


class Executor(Protocol):
    """One way to do an item. Made per workflow revision, shared by all that run it."""

    @property
    def target(self) -> str:
        """Whose health this depends on (for HTTP the URL's origin): outages and Retry-After are kept per target."""

    def address(self, variables: Mapping[str, Any]) -> str:
        """Where items with these variables go, as far as they say it: what is refused there says nothing of others."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Do it once; what happens is a verdict. Raises `NotPermitted`, `CancelledError`, and what nobody foresaw
        before `permit.start()`: then it is this item that nobody can be told of."""

    async def stop(self, work: Work) -> None:
        """Nobody wants `work` any more, which was started, and cut off before it was done: somebody cancelled or
        killed it. Where the target goes on by itself, tell it. Not called when the daemon stops, or has lost its
        lease: then the work is wanted, and is started again under its key."""

    async def close(self) -> None:
        """Let go of connections."""
