"""Connections that entities come from, as executors may use them."""

from collections.abc import Collection, Mapping

from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.executors.http.links import LinkBusy, LinkRefused, LinkUnreachable, Understood
from backfilld.sources.base import SourceBroken, SourceBusy, SourceRefused, SourceUnreachable
from backfilld.sources.http.answers import Answer, Throttled
from backfilld.sources.http.asking.budget import Purpose
from backfilld.sources.http.asking.connection import Connection


class ConnectionLink:
    """`Link` over a connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def open(self) -> tuple[str, Mapping[str, str]]:
        try:
            self._connection.require_not_refused()
            return await self._connection.base(), await self._connection.let_in()
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

    def give_back(self, endpoint: str, *, unused: bool) -> None:
        self._connection.budget.give_back(endpoint, unused=unused)

    def understand(self, status: int, headers: Mapping[str, str], body: bytes, endpoint: str) -> Understood:
        problem = self._connection.meaning_of(Answer(status, body, headers), endpoint)
        if isinstance(problem, Throttled):
            busy = self._connection.obey(problem, endpoint)
            return Understood("crowded" if problem.endpoint_only else "throttled", str(busy), busy.until)
        if isinstance(problem, SourceRefused):
            return Understood("refused", str(problem))
        if isinstance(problem, SourceUnreachable):
            return Understood("unreachable", str(problem))
        return Understood("other", str(problem))


def links_of(settings: Settings, connections: Mapping[str, Connection], clock: Clock) -> dict[str, ConnectionLink]:
    """Those that executors may use."""
    return {
        name: ConnectionLink(connections[name], clock)
        for name, known in settings.connections.items()
        if known.executors and name in connections
    }


def users_of(settings: Settings) -> dict[str, Collection[str]]:
    """Of each connection that executors may use, which workflows may name it."""
    return {name: known.used_by for name, known in settings.connections.items() if known.executors}
