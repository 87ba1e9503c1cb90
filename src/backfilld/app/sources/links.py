"""Connections that entities come from, as executors may use them."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from itertools import count

from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.executors.http.links import LinkBusy, LinkRefused, LinkUnreachable, Opened, Understood
from backfilld.sources.base import SourceBroken, SourceBusy, SourceRefused, SourceUnreachable
from backfilld.sources.http.answers import Answer, Throttled
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.http.asking.rates import Purpose

AGAIN_SECONDS = 1.0  # after a token had ended


class ConnectionLink:
    """`Link` over a connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._opened = count()
        self._outdated_until: int | None = None  # what was opened before that had an old token, or an old address

    async def open(self) -> Opened:
        try:
            self._connection.require_not_refused()
            headers, base = await self._connection.let_in(), await self._connection.base()
            return Opened(base, headers, next(self._opened))
        except SourceRefused as problem:
            raise LinkRefused(str(problem)) from problem
        except SourceBusy as problem:
            raise LinkBusy(str(problem), problem.until) from problem
        except (SourceUnreachable, SourceBroken) as problem:
            raise LinkUnreachable(str(problem)) from problem

    async def take(self, endpoint: str) -> None:
        try:
            await self._connection.budget.take(Purpose.WRITE, endpoint)
        except SourceBusy as problem:
            raise LinkBusy(str(problem), problem.until) from problem

    def spend(self, requests: int) -> None:
        try:
            self._connection.budget.spend(requests)
        except SourceBusy as problem:
            raise LinkBusy(str(problem), problem.until) from problem

    def unspend(self, requests: int) -> None:
        self._connection.budget.unspend(requests)

    def give_back(self, endpoint: str, *, unused: bool) -> None:
        self._connection.budget.give_back(endpoint, unused=unused)

    def understand(
        self, opened: Opened, status: int, headers: Mapping[str, str], body: bytes, endpoint: str
    ) -> Understood | None:
        answer = Answer(status, body, headers)
        problem = self._connection.meaning_of(answer, f"{self._connection.name}: {endpoint}")
        self._connection.outcomes[endpoint, "ok" if problem is None else str(status)] += 1
        if self._is_outdated(opened, answer):
            return Understood("outdated", str(problem), self._clock.now() + timedelta(seconds=AGAIN_SECONDS))
        if problem is None:
            return None
        if isinstance(problem, Throttled):
            busy = self._connection.obey(problem, endpoint)
            return Understood("crowded" if problem.endpoint_only else "throttled", str(busy), busy.until)
        if isinstance(problem, SourceRefused):
            return Understood("refused", str(problem))
        if isinstance(problem, SourceUnreachable):
            return Understood("unreachable", str(problem))
        return Understood("other", str(problem))

    def _is_outdated(self, opened: Opened, answer: Answer) -> bool:
        """Once: what is opened afterwards, and is refused as well, is refused."""
        since = self._outdated_until
        if answer.status != 401:
            if since is not None and opened.number >= since:
                self._outdated_until = None
            return False
        if since is not None and opened.number >= since:
            return False
        if not self._connection.outdated(answer, opened.base, opened.headers):
            return False
        if since is None:
            self._outdated_until = next(self._opened)
        return True


def links_of(settings: Settings, connections: Mapping[str, Connection], clock: Clock) -> dict[str, ConnectionLink]:
    """All of them: to spend from; which may be used to send something, `users_of` says."""
    return {name: ConnectionLink(connections[name], clock) for name in settings.connections if name in connections}


def users_of(settings: Settings) -> dict[str, Collection[str]]:
    """Of each connection that executors may use, which workflows may name it."""
    return {name: known.used_by for name, known in settings.connections.items() if known.executors}
