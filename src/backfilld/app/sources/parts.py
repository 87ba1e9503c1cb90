"""The sources that `[entity_types]` names, joined."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from backfilld.app.sources.connections import Connections, http_sources
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.config.sections.entity_types import EntityTypeSettings, SqlSettings
from backfilld.domain.entities.pair_lists import PairLists, parse_members
from backfilld.domain.filters import parse_path
from backfilld.executors.http.addresses import host_is_never_a_target
from backfilld.executors.secrets import SecretMissing, SecretStore
from backfilld.sources.base import SourceUnreachable
from backfilld.sources.builtin import BuiltinSource, IndexedFields
from backfilld.sources.http.source import Purposes
from backfilld.sources.paired import PairedSource
from backfilld.sources.registry import BUILTIN, Fields, ForeignSource, SourceRegistry
from backfilld.sources.sql import SqlSource
from backfilld.sources.sql_connections import SqlConnections
from backfilld.sources.sql_session import SqlQuery
from backfilld.store.connection.address import hosts_of
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore


def sources_of(
    settings: Settings,
    pool: Pool,
    secrets: SecretStore,
    clock: Clock,
    connections: Connections | None = None,
    purposes: Purposes | None = None,
    indexed: IndexedFields = lambda _: (),
) -> SourceRegistry:
    """Every source, with connections of its own to databases; the caller closes them. Nothing is connected yet.

    `connections` are those to APIs, which whoever made them closes; `purposes`: for whom they are asked. `indexed`: the
    fields of our own entities that have an index.
    """
    store = EntityStore(pool)

    async def learned(entity_type: str) -> Fields:
        return (await store.get_type(entity_type)).fields

    types = settings.entity_types
    lists: dict[str, PairLists] = {name: _lists_of(known) for name, known in types.items() if known.lists}
    foreign: dict[str, ForeignSource] = {
        name: PairedSource(source, lists[name]) if name in lists else source
        for name, source in sql_sources(
            {name: known.sql for name, known in types.items() if known.sql}, secrets, clock
        ).items()
    }
    foreign |= http_sources(dict(types.items()), settings.connections, connections or {}, clock, purposes or Purposes())
    return SourceRegistry(
        {BUILTIN: BuiltinSource(store, indexed)},
        source_of={name: known.source for name, known in types.items()},
        configured={name: known.fields for name, known in types.items()},
        learned=learned,
        foreign=foreign,
        connections={name: known.http.connection for name, known in types.items() if known.http},
        usages={name: connection.budget.usage for name, connection in (connections or {}).items()},
        lists=lists,
    )


def _lists_of(known: EntityTypeSettings) -> PairLists:
    return PairLists({parse_path(field): parse_members(word) for field, word in known.lists.items()})


def sql_sources(types: Mapping[str, SqlSettings], secrets: SecretStore, clock: Clock) -> dict[str, SqlSource]:
    """Types whose DSN is the same secret share their connections."""
    slowest = max((sql.statement_timeout_seconds for sql in types.values()), default=0.0)
    connections = {
        name: SqlConnections(dsn_of(name, secrets), longest_statement_seconds=slowest)
        for name in {sql.dsn.secret for sql in types.values()}
    }
    return {name: SqlSource(_query_of(sql), connections[sql.dsn.secret], clock) for name, sql in types.items()}


def dsn_of(name: str, secrets: SecretStore) -> Callable[[], str]:
    """The secret of that name as it is whenever it is asked for; SourceUnreachable if there is none, or one that
    points at a host that hands out credentials."""

    def dsn() -> str:
        try:
            found = secrets.get(name).present
        except SecretMissing as problem:
            raise SourceUnreachable(str(problem)) from problem
        with suppress(ValueError):  # told by whoever connects
            if any(host_is_never_a_target(host) for host, _ in hosts_of(found)):
                raise SourceUnreachable("the host in its DSN is never a source")
        return found

    return dsn


def _query_of(sql: SqlSettings) -> SqlQuery:
    return SqlQuery(
        query=sql.query,
        key=sql.key,
        updated_at=sql.updated_at,
        zone=sql.timezone,
        statement_timeout_seconds=sql.statement_timeout_seconds,
        plans_outside_windows=sql.plan_outside_windows,
        page_size=sql.page_size,
        on_bad_row=sql.on_bad_row,
    )
