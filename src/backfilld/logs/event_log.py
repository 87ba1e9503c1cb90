"""Turns events into log lines, so that the engine tells what happened and not how it is to be logged."""

import logging
import re
from dataclasses import fields
from uuid import UUID

import structlog

from backfilld.events import (
    AttemptEnded,
    AttemptInterrupted,
    BackfillHeldUp,
    BrakeLookFailed,
    BrakeMoved,
    BreakerMoved,
    DatabaseLost,
    DeliveryFailed,
    Event,
    ItemInterrupted,
    LeaseLost,
    LeaseTaken,
    OutcomesRecorded,
    RecorderFailed,
    SchedulePostponed,
    SchedulesWait,
    SessionFired,
    StatusChanged,
    TryEnded,
    WorkHeldUp,
)

# A written line costs more than processing an item: nothing per item or commit at the usual level.
QUIET = (TryEnded, AttemptEnded, SessionFired, OutcomesRecorded)
ALARMING = (
    BackfillHeldUp, RecorderFailed, LeaseLost, ItemInterrupted, AttemptInterrupted, DatabaseLost, SchedulePostponed,
    SchedulesWait, WorkHeldUp, BrakeLookFailed, DeliveryFailed,
)  # fmt: skip


# A probe is no news while it only finds what was found before.
_OF_BREAKERS = {"open": logging.WARNING, "refusing": logging.WARNING, "half_open": logging.DEBUG,
                "closed": logging.INFO}  # fmt: skip


class EventLog:
    """A listener for the bus: each event is one line, named in words, with its fields as keys."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("backfilld.events")
        self._threshold = logging.getLogger("backfilld.events")
        self._held: dict[str, str] = {}  # what was told last of each target that is not well

    def __call__(self, event: Event) -> None:
        if type(event) in QUIET and not self._threshold.isEnabledFor(logging.DEBUG):
            return
        level = level_of(event)
        if level > logging.DEBUG and self._is_known(event):
            level = logging.DEBUG
        if not self._threshold.isEnabledFor(level):
            return
        told = ((field.name, getattr(event, field.name)) for field in fields(event))
        self._log.log(level, words_of(type(event)), **{key: _plain(value) for key, value in told if value is not None})

    def _is_known(self, event: Event) -> bool:
        """True for a probe that found what was found before: an outage is told once."""
        if not isinstance(event, BreakerMoved):
            return False
        before = self._held.pop(event.target, None)
        if event.state != "closed":
            self._held[event.target] = event.state
        return before == event.state


def level_of(event: Event) -> int:
    """How much an operator wants to know of it."""
    if isinstance(event, QUIET):
        return logging.DEBUG
    if isinstance(event, ALARMING):
        return logging.WARNING
    if isinstance(event, BreakerMoved):
        return _OF_BREAKERS[event.state]
    if isinstance(event, BrakeMoved) and event.state != "open":
        return logging.WARNING
    if isinstance(event, StatusChanged) and event.again:
        return logging.DEBUG
    if isinstance(event, LeaseTaken) and not event.clean:
        return logging.WARNING
    return logging.INFO


def words_of(kind: type[Event]) -> str:
    """`PlanFrozen` as "plan frozen"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value
