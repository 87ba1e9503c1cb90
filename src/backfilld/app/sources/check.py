"""Whether everything that entities come from can be asked as the configuration says, without a daemon."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from backfilld.app.sources.connections import connections_of, http_sources
from backfilld.app.sources.parts import sql_sources
from backfilld.clock import SystemClock
from backfilld.config import Settings
from backfilld.config.sections.entity_types import EntityTypeSettings
from backfilld.executors.secrets import SecretStore
from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.http.source import LOOKING
from backfilld.sources.registry import ForeignSource

COUNT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a type. `requests`: what it cost, where that is counted; `count` None: nobody knows."""

    entity_type: str
    problem: str | None = None
    count: int | None = None
    requests: int | None = None

    @property
    def fault(self) -> str | None:
        return None if self.problem is None else f"entity_types.{self.entity_type}: {self.problem}"


async def check_sources(settings: Settings) -> Sequence[Checked]:
    """Fields, a page and the number of every type that an API or another database lists."""
    clock = SystemClock()
    secrets = SecretStore(settings.read_secrets())
    connections = connections_of(settings, secrets, clock)
    types: dict[str, EntityTypeSettings] = dict(settings.entity_types.items())
    listed: dict[str, ForeignSource] = {
        **sql_sources({name: known.sql for name, known in types.items() if known.sql}, secrets, clock),
        **http_sources(types, settings.connections, connections, clock, LOOKING),
    }
    found = []
    try:
        for name, source in listed.items():
            http = types[name].http
            connection = None if http is None else connections[http.connection]
            before = 0 if connection is None else connection.outcomes.total()
            problem, count = await _asked(name, source)
            cost = None if connection is None else connection.outcomes.total() - before
            found.append(Checked(name, problem, count, cost))
    finally:
        for source in listed.values():
            await source.close()
        for connection in connections.values():
            await connection.close()
    return found


async def _asked(entity_type: str, source: ForeignSource) -> tuple[str | None, int | None]:
    query = EntityQuery(entity_type)
    try:
        await source.look()
        async with aclosing(source.pages(query, cursor=None, page_size=1)) as pages:
            async for _ in pages:
                break
        return None, await source.count(query, within_seconds=COUNT_SECONDS)
    except (SourceBroken, SourceUnreachable) as problem:
        return str(problem), None
