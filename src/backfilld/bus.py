"""The bus that carries events to whoever listens."""

import logging
from collections.abc import Callable

from backfilld.events import Event

log = logging.getLogger(__name__)

Listener = Callable[[Event], None]


class Bus:
    """Hands each event to every listener that wants it, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[tuple[Listener, tuple[type, ...]]] = []
        self._wanted_by: dict[type, list[Listener]] = {}  # of each kind that has come

    def listen(self, listener: Listener, *kinds: type) -> None:
        """Have `listener` called with every event of these kinds from now on; without kinds, of all."""
        self._listeners.append((listener, kinds))
        self._wanted_by.clear()

    def tell(self, event: Event) -> None:
        """Hand `event` on. A listener that fails is logged and does not hurt the others."""
        kind = type(event)
        if kind not in self._wanted_by:
            self._wanted_by[kind] = [one for one, kinds in self._listeners if not kinds or kind in kinds]
        for listener in self._wanted_by[kind]:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %s", type(event).__name__)
