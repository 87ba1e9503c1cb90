"""Starting one session by hand, and killing an attempt.

A session is known by its time and an attempt by its name, so that a start that is asked for twice is one start: the
second is told which attempt there is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.remedies import enabling
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound
from backfilld.domain.instants import bounded
from backfilld.domain.schedules.moments import parse_moment
from backfilld.domain.sessions.records import LONGEST_ATTEMPT_NAME, Attempt
from backfilld.operations.sessions.kill import told_of
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules.firing import count_crowd
from backfilld.store.schedules.positions import tell_live
from backfilld.store.sessions import attempt_starts
from backfilld.store.sessions.sessions import AttemptNameTaken, NewAttempts, list_attempts, open_attempts

MOST_PARAMS_BYTES = 16_384
WAITS_SECONDS = 3.0  # for what runs to be cut off; a program may take its time to die
LOOKS_EVERY_SECONDS = 0.02
_FRACTION = re.compile(r"\.[0-9]{1,9}(?=$|[Zz+-])")  # of a second: sessions have none


class AttemptExists(Conflict):
    """The session has an attempt of this name already."""

    code = "attempt_exists"

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(f"session {attempt.session_id} has an attempt named {attempt.name!r} already: {attempt.id}")
        self.attempt = attempt


class Killer(Protocol):
    """Who ends attempts that are carried by a backfill."""

    async def kill(self, actor: Actor, attempt: Attempt) -> None:
        """End it, or have it ended. Conflict if it has finished."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A start that has no fault in itself."""

    session_time: datetime
    params: Mapping[str, Any]
    name: str


class AttemptOperations:
    """`most_unfinished` is how many attempts outside of backfills there may be at once."""

    def __init__(self, pool: Pool, killer: Killer, clock: Clock, *, most_unfinished: int) -> None:
        self._pool = pool
        self._killer = killer
        self._clock = clock
        self._most_unfinished = most_unfinished

    async def start(
        self,
        actor: Actor,
        *,
        workflow_id: int,
        session_time: datetime | str,
        params: Mapping[str, Any] | None = None,
        name: str | None = None,
        why: str | None = None,
    ) -> Attempt:
        """Have it run as soon as there is a place. `workflow_id` may be a revision's; its present one is run otherwise.

        Invalid; NotFound; AttemptExists.
        """
        wanted = _checked(session_time, params, name)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                return await self._start(connection, actor, workflow_id, wanted, why)
        except AttemptNameTaken:  # somebody was faster by a moment, and is found now
            async with self._pool.acquire() as connection, connection.transaction():
                return await self._start(connection, actor, workflow_id, wanted, why)

    async def _start(
        self, connection: Connection, actor: Actor, workflow_id: int, wanted: _Wanted, why: str | None
    ) -> Attempt:
        startable = await attempt_starts.find_startable(connection, workflow_id)
        if startable is None:
            raise NotFound(f"Resource does not exist: workflow id={workflow_id}")
        found = await attempt_starts.find_attempt(connection, startable.workflow_id, wanted.session_time, wanted.name)
        if found is not None:
            raise AttemptExists((await list_attempts(connection, [found]))[0])
        if not startable.enabled:
            how = enabling(startable.workflow_id, startable.managed_by)
            message = f"workflow {startable.workflow_name!r} is disabled; {how}"
            raise Invalid([Fault("", "workflow_disabled", message)], message)
        current = await count_crowd(connection, self._most_unfinished)
        if current >= self._most_unfinished:
            message = f"Too many attempts running. Limit: {self._most_unfinished}, Current: {current}"
            raise Invalid([Fault("", "too_many_attempts", message)], message)
        at = self._clock.now()
        new = NewAttempts(
            startable.project_id, startable.workflow_id, startable.revision_id,
            str(startable.definition.get("timezone") or "UTC"), wanted.name, actor.identity, at,
            [wanted.session_time], [wanted.params],
        )  # fmt: skip
        (opened,) = await open_attempts(connection, new)
        (attempt,) = await list_attempts(connection, [opened.id])
        await self._audit(connection, actor, "attempt.start", attempt.id, at, why, new=told_of(attempt))
        await tell_live(connection)
        return attempt

    async def kill(self, actor: Actor, id: int, *, why: str | None = None) -> Attempt:
        """End it: at once if it waits, else as soon as its owner has cut it off.

        The attempt as it is then, which may be `canceling` still. NotFound; Conflict if it has finished.
        """
        attempt = await self._get(id)
        if attempt.backfill_number is not None:
            await self._killer.kill(actor, attempt)
        else:
            await self._kill(actor, attempt, why)
        return await self._get(id)

    async def _kill(self, actor: Actor, attempt: Attempt, why: str | None) -> None:
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            request = await attempt_starts.request_kill(connection, attempt.id, at)
            if request is None:
                raise Conflict(f"attempt {attempt.id} is already killed or finished", code="attempt_finished")
            if request.is_first:
                await self._audit(connection, actor, "attempt.kill", attempt.id, at, why, new=told_of(attempt))
            await tell_live(connection)
        until = self._clock.monotonic() + WAITS_SECONDS
        while not request.has_ended and self._clock.monotonic() < until:
            await self._clock.sleep(LOOKS_EVERY_SECONDS)
            if (await self._get(attempt.id)).finished_at is not None:
                return

    async def _get(self, id: int) -> Attempt:
        found = await list_attempts(self._pool, [id])
        if not found:
            raise NotFound(f"Resource does not exist: attempt id={id}")
        return found[0]

    async def _audit(
        self, connection: Connection, actor: Actor, action: str, id: int, at: datetime, why: str | None, new: Any = None
    ) -> None:
        await audit.record(connection, actor, action, f"attempt/{id}", at=at, reason=why, new=new)


def _checked(session_time: datetime | str, params: Mapping[str, Any] | None, name: str | None) -> _Wanted:
    """Invalid, with every fault."""
    faults: list[Fault] = []
    if isinstance(session_time, str):
        parsed = parse_moment(_FRACTION.sub("", session_time), "/sessionTime", None)
    else:
        parsed = bounded(session_time, "/sessionTime")
    if isinstance(parsed, Fault):
        faults.append(parsed)
    if name is not None and len(name) > LONGEST_ATTEMPT_NAME:
        message = f"must not be longer than {LONGEST_ATTEMPT_NAME} characters, but has {len(name)}"
        faults.append(Fault("/retryAttemptName", "too_long", message))
    faults += _params_faults(params or {})
    if faults or isinstance(parsed, Fault):
        raise Invalid(faults)
    return _Wanted(parsed.replace(microsecond=0), params or {}, name or "")


def _params_faults(params: Mapping[str, Any]) -> list[Fault]:
    try:
        size = len(orjson.dumps(params))
    except TypeError:
        return [Fault("/params", "invalid_text", "must be a JSON object of texts that can be stored")]
    if size <= MOST_PARAMS_BYTES:
        return []
    message = f"must not be larger than {MOST_PARAMS_BYTES:,} bytes as JSON, but has {size:,}"
    return [Fault("/params", "too_large", message)]
