"""SIGHUP: the configuration is read again; a file with faults changes nothing and says why."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

from backfilld.app.api_parts import ApiParts
from backfilld.app.brake_parts import brakes_of
from backfilld.app.engine_parts import (
    EngineParts,
    budgets_of,
    definition_rules,
    executor_options,
    indexes_of,
    retention_of,
)
from backfilld.app.notification_parts import endpoints_of
from backfilld.app.sources.links import links_of
from backfilld.app.status_line import StatusLine
from backfilld.clock import Clock
from backfilld.config import ConfigError, Settings, cautions_of
from backfilld.config.sections.entity_types import EntityTypeSettings
from backfilld.logs import configure_logging
from backfilld.store.connection import transient_errors
from backfilld.systemd import Notifier

log = structlog.get_logger(__name__)

NEEDS_RESTART = (
    "server",
    "state",
    "database",
    "auth",
    "engine",
    "executor",
    "schedules",
    "metrics",
    "dashboard",
    "entity_types",
    "connections",
    "engines",
)


def tell_cautions(settings: Settings, now: datetime) -> None:
    """What is no fault of the configuration and should not stay so, a line each."""
    for caution in cautions_of(settings, now):
        log.warning("configuration should not stay so", what=caution)


class Reloader:
    """Puts in force what can be changed while running: workflows, secrets, executors, targets, brakes and the like."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        engine: EngineParts,
        api: ApiParts,
        notifier: Notifier,
        status: StatusLine,
        clock: Clock,
    ) -> None:
        self._started_with = settings
        self._load = load
        self._engine = engine
        self._api = api
        self._notifier = notifier
        self._status = status
        self._clock = clock

    async def reload(self) -> None:
        """Read and apply. Whatever goes wrong is told, and the daemon goes on as it was."""
        self._notifier.reloading()
        faults = 1
        try:
            await self._apply(await asyncio.to_thread(self._load))  # thousands of workflows take a second
            faults = 0
        except ConfigError as error:
            log.error("configuration not reloaded", faults=[str(fault) for fault in error.faults])
        except OSError as problem:
            log.error("configuration not reloaded", faults=[str(problem)])
        except Exception as problem:
            if transient_errors.is_transient(problem):
                log.error("configuration not reloaded: the database is away; send SIGHUP again", problem=repr(problem))
            else:  # an error of our own concerns the reload, and not what runs
                log.exception("configuration not reloaded")
        finally:
            self._status.reloaded(faults, self._clock.now())
            self._notifier.ready(self._status.text)

    async def _apply(self, settings: Settings) -> None:
        secrets = await asyncio.to_thread(settings.read_secrets)
        self._api.workflows.rules = definition_rules(settings)
        await self._api.workflows.sync_config(workflow.definition() for workflow in settings.workflows)
        self._engine.executors.reload(
            secrets,
            executor_options(
                settings, links_of(self._started_with, self._engine.connections, self._clock), self._engine.engines
            ),
        )
        self._engine.rereading.put(settings, secrets)
        self._engine.brakes.put(brakes_of(settings, self._engine.executors.secrets, self._clock))
        self._engine.targets.put_budgets(budgets_of(settings))
        self._engine.deliverer.put(endpoints_of(settings, self._engine.executors.secrets))
        self._engine.targets.reset()
        for connection in self._engine.connections.values():
            connection.heal()
        self._engine.janitor.retention = retention_of(settings)
        self._engine.indexes.put(indexes_of(settings))
        self._exchange_certificate(settings)
        configure_logging(settings.logging.level, settings.logging.format)
        before, after = _as_restarted_for(self._started_with), _as_restarted_for(settings)
        late = [name for name in NEEDS_RESTART if getattr(after, name) != getattr(before, name)]
        self._engine.scheduler.hear(None)
        tell_cautions(settings, self._clock.now())
        log.info("configuration reloaded", takes_effect_at_restart=late or None)

    def _exchange_certificate(self, settings: Settings) -> None:
        """Connections from now on get the certificate as its files are now, whichever these are."""
        context = settings.server.read_tls()
        if context is not None and self._api.certificate is not None:
            self._api.certificate.exchange(context, settings.server.read_expiry())


def _as_restarted_for(settings: Settings) -> Settings:
    """As far as a restart is needed: whether there is TLS, but not which files it comes from; and no indexes."""
    server = settings.server
    some_file = Path() if server.speaks_tls else None
    kept = server.model_copy(update={"tls_certificate_file": some_file, "tls_key_file": None})
    types = {name: known.model_copy(update={"indexes": []}) for name, known in settings.entity_types.items()}
    shown = {name: known for name, known in types.items() if known != EntityTypeSettings()}
    return settings.model_copy(update={"server": kept, "entity_types": shown})
