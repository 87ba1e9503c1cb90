"""The engine, joined."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from backfilld.app.brake_parts import brakes_of
from backfilld.app.database import Database, Pools
from backfilld.app.engines.parts import engines_of
from backfilld.app.engines.rereading import SecretRereader
from backfilld.app.notification_parts import endpoints_of
from backfilld.app.process.instance import Instance
from backfilld.app.sources.connections import Connections, connections_of
from backfilld.app.sources.links import links_of, users_of
from backfilld.app.sources.parts import sources_of
from backfilld.app.sources.usage import UsageKeeper
from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.engine.attempts.claimer import Claimer
from backfilld.engine.attempts.leases import LiveLeases
from backfilld.engine.backfills.context import BackfillContext, Limits
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.backfills.recorder import Recorder
from backfilld.engine.backfills.scheduler import Scheduler
from backfilld.engine.brakes.board import Brakes
from backfilld.engine.control import Control
from backfilld.engine.entity_indexes import EntityIndexes
from backfilld.engine.janitor import Janitor, Retention
from backfilld.engine.news import Lookout, News
from backfilld.engine.notifications.deliverer import Deliverer
from backfilld.engine.schedules.firing import Firing
from backfilld.engine.service import Serving
from backfilld.engine.starting.capacity import Capacity
from backfilld.engine.starting.stop_order import Stopping
from backfilld.engine.starting.targets.budget import BudgetTerms
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.surroundings import Surroundings
from backfilld.executors.command.executor import CommandLimits
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.executors.engines import Engines
from backfilld.executors.http.client import Limits as WireLimits
from backfilld.executors.http.links import Link
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import SecretStore
from backfilld.operations.engines.mirrored import MirrorKeeper
from backfilld.operations.engines.mirrors import MirrorOperations
from backfilld.sources.registry import SourceRegistry
from backfilld.store.admin.connection_usage import ConnectionUsage
from backfilld.store.admin.projects import ProjectStore
from backfilld.store.admin.stopping import StopStore
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.connection.channel import Channel
from backfilld.store.entities.indexes import EntityIndexStore
from backfilld.store.history.error_groups import ErrorGroups
from backfilld.store.ledger.digests import DigestStore
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.recovery import RecoveryStore
from backfilld.store.ledger.session_items import SessionItems
from backfilld.store.sessions.live_attempts import LiveAttemptStore
from backfilld.store.steering.brakes import BrakeStore
from backfilld.store.steering.deliveries import DeliveryStore


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What runs by itself, and what others need of it."""

    tools: BackfillContext
    scheduler: Scheduler
    firing: Firing
    live: Claimer
    control: Control
    stopping: Stopping
    recorder: Recorder
    executors: ExecutorRegistry
    sources: SourceRegistry
    connections: Connections
    engines: Engines
    targets: Targets
    janitor: Janitor
    indexes: EntityIndexes
    mirrors: MirrorKeeper
    rereading: SecretRereader
    brakes: Brakes
    usage: UsageKeeper
    deliverer: Deliverer
    surroundings: Surroundings
    serving: tuple[Serving, ...]  # each is a loop, and says what it waits for the database for

    async def close_sources(self) -> None:
        """Let go of what sources and engines keep open."""
        await self.mirrors.close()
        engines, connections = self.engines.values(), self.connections.values()
        await asyncio.gather(
            self.sources.close(), *(one.close() for one in engines), *(one.close() for one in connections)
        )


def engine_parts(
    settings: Settings, database: Database, pools: Pools, instance: Instance, clock: Clock, bus: Bus
) -> EngineParts:
    """Everything of the engine; `loops` are to be run once the database is there and migrated."""
    leases = LeaseStore(pools.leases, instance=instance.name, process=instance.process)
    keeper = LeaseKeeper(leases, clock, bus)
    recorder = Recorder(pools.recorder, clock, bus, linger_seconds=settings.engine.record_linger_milliseconds / 1000)
    secrets = SecretStore(texts := settings.read_secrets())
    rereading = SecretRereader(secrets)
    rereading.put(settings, texts)
    connections = connections_of(settings, secrets, clock)
    targets = Targets(clock, bus)
    targets.put_budgets(budgets_of(settings))
    engines = engines_of(settings, secrets, clock, targets.hold)
    options = executor_options(settings, links_of(settings, connections, clock), engines)
    executors = ExecutorRegistry(options, clock, secrets, ProjectStore(pools.engine).read_secrets)
    indexes = _indexes(settings, database, pools, clock, bus)
    sources = sources_of(settings, pools.engine, secrets, clock, connections, indexed=indexes.ready)
    brakes = Brakes(BrakeStore(pools.engine), clock, bus)
    brakes.put(brakes_of(settings, secrets, clock))
    tools = _tools(settings, targets, pools, clock, bus, keeper, recorder, executors, sources, brakes)
    scheduler = Scheduler(tools)
    live_store = LiveAttemptStore(pools.engine, pools.leases, instance=instance.name, process=instance.process)
    live_leases = LiveLeases(live_store, clock, bus, keeper.stop_switch)
    longest = timedelta(seconds=settings.executor.attempt_ttl_seconds)
    live = Claimer(live_store, live_leases, tools, longest=longest)
    stopping = Stopping(StopStore(pools.engine), keeper.stop_switch, (keeper, live_leases), clock, bus)
    firing = Firing(pools.engine, clock, bus, most_unfinished=settings.executor.attempt_max_run)
    news = _news(database, clock, bus, scheduler, stopping, firing, live, brakes)
    usage = UsageKeeper(ConnectionUsage(pools.engine), connections, clock)
    mirrors = MirrorKeeper(MirrorOperations(pools.engine, engines, clock), clock)
    janitor = Janitor(
        tools.remembered, RemovalStore(pools.engine), DigestStore(pools.engine), clock, bus, retention_of(settings),
        {
            "write down what connections were asked": usage.write,
            "see to mirrors": mirrors.wake,
            "read secrets again": rereading.wake,
            "group failures of before there were groups": partial(ErrorGroups(pools.engine).group_old, most=10_000),
        },
    )  # fmt: skip
    deliverer = Deliverer(DeliveryStore(pools.engine), clock, bus, public_url=settings.server.public_url or "")
    deliverer.put(endpoints_of(settings, secrets))
    control = Control(scheduler, leases, clock)
    surroundings = Surroundings(scheduler, tools, {name: one.budget for name, one in connections.items()})
    background = (news, janitor, indexes, deliverer)
    serving = (recorder, keeper, live_leases, stopping, brakes, *background, firing, live, scheduler)
    return EngineParts(
        tools, scheduler, firing, live, control, stopping, recorder, executors, sources, connections, engines,
        tools.targets, janitor, indexes, mirrors, rereading, brakes, usage, deliverer, surroundings, serving,
    )  # fmt: skip


def _indexes(settings: Settings, database: Database, pools: Pools, clock: Clock, bus: Bus) -> EntityIndexes:
    indexes = EntityIndexes(EntityIndexStore(pools.engine, database.direct), clock, bus)
    indexes.put(indexes_of(settings))
    return indexes


def budgets_of(settings: Settings) -> list[BudgetTerms]:
    """What each target is given."""
    return [
        BudgetTerms(name, frozenset(target.origins), target.starts_per_minute, target.reserve_for_live)
        for name, target in settings.targets.items()
    ]


def _tools(
    settings: Settings,
    targets: Targets,
    pools: Pools,
    clock: Clock,
    bus: Bus,
    keeper: LeaseKeeper,
    recorder: Recorder,
    executors: ExecutorRegistry,
    sources: SourceRegistry,
    brakes: Brakes,
) -> BackfillContext:
    reserve = settings.engine.live_reserve
    return BackfillContext(
        clock=clock,
        bus=bus,
        pool=pools.engine,
        backfills=BackfillStore(pools.engine),
        ledger=Ledger(pools.engine),
        recovery=RecoveryStore(pools.engine),
        remembered=LastRunsStore(pools.engine),
        session_items=SessionItems(pools.engine),
        stop_switch=keeper.stop_switch,
        keeper=keeper,
        recorder=recorder,
        targets=targets,
        capacity=Capacity(settings.engine.max_in_flight_total - reserve, reserve),
        executors=executors,
        brakes=brakes,
        sources=sources,
        limits=_limits(settings),
        time_fields={name: known.time_field for name, known in settings.entity_types.items() if known.time_field},
    )


def _news(
    database: Database,
    clock: Clock,
    bus: Bus,
    scheduler: Scheduler,
    stopping: Stopping,
    firing: Firing,
    live: Claimer,
    brakes: Brakes,
) -> News | Lookout:
    """Who hears of what others commit."""

    def heard(backfill_number: int | None) -> None:
        if backfill_number is None:
            stopping.hear()
            brakes.hear()
        scheduler.hear(backfill_number)

    def heard_live() -> None:
        firing.nudge()
        live.nudge()

    if database.direct is None:
        return Lookout(clock, heard, heard_live)
    return News(Channel(database.direct, heard, heard_live), clock, bus)


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_unrecorded=settings.engine.max_unrecorded,
        freshness_seconds=settings.engine.freshness_seconds,
        ramp_seconds=settings.engine.ramp_seconds,
    )


def executor_options(settings: Settings, links: Mapping[str, Link], engines: Engines) -> ExecutorOptions:
    """What `[executors]` says; `links` are the connections that executors may use."""
    chosen = settings.executors
    limits = WireLimits(
        connect_seconds=chosen.connect_timeout_seconds,
        silence_seconds=chosen.response_timeout_seconds,
        most_bytes=chosen.max_response_bytes,
    )
    commands = CommandLimits(most_bytes=chosen.max_response_bytes)
    return ExecutorOptions(
        limits=limits,
        commands=commands,
        allowed_hosts=chosen.allowed_hosts,
        secret_uses=settings.secret_uses(),
        links=links,
        connections=users_of(settings),
        engines=engines,
    )


def retention_of(settings: Settings) -> Retention:
    """What `[retention]` says."""
    chosen = settings.retention
    return Retention(ledgers=chosen.ledgers, entities=chosen.entities, audit=chosen.audit)


def indexes_of(settings: Settings) -> dict[str, list[str]]:
    """Which attributes of our own entities are to have an index, by type."""
    return {name: known.indexes for name, known in settings.entity_types.items() if known.indexes}


def definition_rules(settings: Settings) -> DefinitionRules:
    """What `[executors]` allows in definitions that come over HTTP."""
    return DefinitionRules(
        executor_types=settings.executors.definable_by_api,
        allowed_hosts=settings.executors.allowed_hosts,
        secrets=frozenset(settings.secrets),
        secret_uses=settings.secret_uses(),
        connections=users_of(settings),
        budgets=tuple(settings.connections),
        engines={name: known.type for name, known in settings.engines.items()},
    )
