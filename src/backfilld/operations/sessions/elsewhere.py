"""Schedules that are mirrors of an engine's: what a backfill of one asks there, and has it told."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from backfilld.domain.sessions.records import AttemptStatus
from backfilld.store.connection.pool import Connection
from backfilld.store.schedules.mirrors import Mirror
from backfilld.store.sessions.overview import SessionMark

There: TypeAlias = Mapping[datetime, bool]
"""Sessions that have an attempt on the engine → whether the last one of it has succeeded."""


def marks_of(there: There) -> list[SessionMark]:
    """The same as marks, which are told apart from ours by having no ids."""
    return [
        SessionMark(0, at, 0, 1, AttemptStatus.SUCCESS if well else AttemptStatus.ERROR, None)
        for at, well in sorted(there.items())
    ]


class Elsewhere(Protocol):
    """All but `is_to_advance` raise Unavailable where the engine is away."""

    async def refreshed(self, workflow_id: int) -> Mirror:
        """The mirror that a workflow here is, read anew."""

    async def sessions(self, mirror: Mirror) -> There:
        """Every session there."""

    async def require_free(
        self, mirror: Mirror, times: Sequence[datetime], *, from_time: datetime, attempt_name: str
    ) -> None:
        """The engine would run these sessions under that name, too. Conflict where the name is in use there, or where
        it would run others."""

    async def is_to_advance(self, on: Connection, workflow_id: int, run_time: datetime) -> None:
        """The schedule there is to go on at that run time, once the transaction has been committed."""

    async def advance(self, workflow_id: int) -> None:
        """Move it. What fails is tried again in the background."""
