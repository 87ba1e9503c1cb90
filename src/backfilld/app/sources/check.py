"""Whether everything that entities come from can be asked as the configuration says, without a daemon."""

from contextlib import aclosing

from backfilld.app.sources.connections import connections_of, http_sources
from backfilld.app.sources.parts import sql_sources
from backfilld.clock import SystemClock
from backfilld.config import Settings
from backfilld.executors.secrets import SecretStore
from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.http.source import LOOKING
from backfilld.sources.registry import ForeignSource


async def source_faults(settings: Settings) -> list[str]:
    """What cannot be asked, a line each: fields and a page of every type that an API or another database lists."""
    clock = SystemClock()
    secrets = SecretStore(settings.read_secrets())
    connections = connections_of(settings, secrets, clock)
    types = settings.entity_types
    listed: dict[str, ForeignSource] = {
        **sql_sources({name: known.sql for name, known in types.items() if known.sql}, secrets, clock),
        **http_sources(types, settings.connections, connections, clock, LOOKING),
    }
    try:
        found = [(name, await _problem(name, source)) for name, source in listed.items()]
    finally:
        for source in listed.values():
            await source.close()
        for connection in connections.values():
            await connection.close()
    return [f"entity_types.{name}: {problem}" for name, problem in found if problem is not None]


async def _problem(entity_type: str, source: ForeignSource) -> str | None:
    try:
        await source.look()
        async with aclosing(source.pages(EntityQuery(entity_type), cursor=None, page_size=1)) as pages:
            async for _ in pages:
                break
    except (SourceBroken, SourceUnreachable) as problem:
        return str(problem)
    return None
