"""Open or closed, asked ten thousand times a second.

Every start of an item asks whether its window is open. The answer holds for hours, so it is kept until the next edge
and asking costs two comparisons.
"""

from datetime import UTC, datetime, timedelta

from backfilld.domain.windows.openings import Calendar, WindowState

# What does not happen within the horizon today may do so tomorrow: such an answer is not kept for long.
_KEEP_UNCERTAIN = timedelta(hours=1)
_NEVER = datetime.max.replace(tzinfo=UTC)


class WindowGate:
    """Remembers the answer of one calendar. The clock may step back or forth: it then just looks again.

    `open`, and every instant named, are exact; an instant that comes within the horizon may show up an hour late.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self._from = self._until = _NEVER
        self._state = WindowState(False, None, None)

    def check(self, at: datetime) -> WindowState:
        """What `calendar.state(at)` says."""
        if self._from <= at < self._until:
            return self._state
        return self._look(at)

    def _look(self, at: datetime) -> WindowState:
        self._state = state = self.calendar.state(at)
        edge = state.closes_at if state.open else state.next_open_at
        certain = edge is not None and (not state.open or state.next_open_at is not None)
        keep_until = at + _KEEP_UNCERTAIN if at < _NEVER - _KEEP_UNCERTAIN else _NEVER
        self._from = at
        self._until = edge if edge is not None and certain else min(edge or _NEVER, keep_until)
        return state
