"""What must be true of the database before anything runs: it answers, suits us, has our schema, and lets us work.

Each of these may take long, or need somebody: so the daemon waits, tells what for, and starts over when the database
goes away in the middle.
"""

import asyncpg
import structlog

from backfilld.app.api_parts import ApiParts
from backfilld.app.database import Database
from backfilld.app.process.cannot_work import in_vain, is_refused_for_now
from backfilld.app.readiness import Readiness
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.store.connection import transient_errors
from backfilld.store.connection.address import Address
from backfilld.store.connection.pool import answering, connection_to
from backfilld.store.migrate import migrate, pending
from backfilld.store.preflight import Preflight, list_lacking, look_over

log = structlog.get_logger(__name__)

AFTER_OUTAGE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0  # for somebody who has to mend something
ASKS_AGAIN_SECONDS = 5.0


class Preparation:
    """Done once, by `run`. `paused`: nothing may start afterwards until somebody says so."""

    def __init__(
        self, settings: Settings, database: Database, api: ApiParts, readiness: Readiness, clock: Clock, *, paused: bool
    ) -> None:
        self._settings = settings
        self._database = database
        self._api = api
        self._readiness = readiness
        self._clock = clock
        self._paused = paused
        self._refused = False

    async def run(self) -> None:
        """Return when the engine may start. CannotWork for what waiting will not mend."""
        pause = AFTER_OUTAGE_SECONDS
        while not await self._done():
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if self._refused else AFTER_OUTAGE_SECONDS

    async def _done(self) -> bool:
        """False if the database went away again in the middle."""
        try:
            await self._look_over()
            await self._migrate()
            await self._wait_for_rights()
            if self._paused:
                await self._stop_everything()
            await self._api.workflows.sync_config(workflow.definition() for workflow in self._settings.workflows)
        except Exception as problem:
            self._refused = is_refused_for_now(problem)
            if self._refused:
                self._readiness.report(f"the database refuses us: {problem}")
            elif transient_errors.is_transient(problem):
                self._readiness.report(f"the database went away again ({problem!r})")
            elif (end := in_vain(problem)) is not None:
                raise end from problem
            else:
                raise
            return False
        return True

    async def _look_over(self) -> None:
        """Tell what kind of database it is, and what about it should not stay as it is."""
        database = self._database
        found = await self._looked_over(database.address)
        for warning in found.warnings if database.server is None else ():
            log.warning(warning)
        if database.direct is None:
            log.warning("no direct_dsn: what others change is noticed within a second, and not at once")
        elif database.direct != database.address:
            await self._looked_over(database.direct)
        log.info(
            "database",
            name=database.name,
            postgres=found.version,
            role=found.role,
            schema=found.schema,
            encrypted=None if database.address.pooled else found.encrypted,
            pooled=database.address.pooled,
        )

    async def _looked_over(self, address: Address) -> Preflight:
        """What was found as soon as the database answered."""
        async with answering(address, self._clock, self._readiness.report) as connection:
            return await look_over(address, connection)

    async def _migrate(self) -> None:
        if self._settings.database.migrate_on_start:
            for migration in await migrate(self._database.direct or self._database.address, clock=self._clock):
                log.info("migrated", migration=str(migration))

    async def _wait_for_rights(self) -> None:
        while (lack := await self._lack()) is not None:
            self._readiness.report(lack)
            await self._clock.sleep(ASKS_AGAIN_SECONDS)

    async def _lack(self) -> str | None:
        """What the database still needs before we can work with it; None: nothing."""
        try:
            async with connection_to(self._database.address) as connection:
                if waiting := await pending(connection):
                    return f"the database lacks {', '.join(map(str, waiting))}: run `backfilld migrate`"
                lacking = ", ".join(await list_lacking(connection))
        except asyncpg.InsufficientPrivilegeError as problem:
            lacking = str(problem)
        advice = "let the owner of the schema run `backfilld migrate --grant-to` with the role of the daemon"
        return f"the role has not the rights it needs ({lacking}): {advice}" if lacking else None

    async def _stop_everything(self) -> None:
        order = await self._api.stopping.stop_at_start()
        log.warning("nothing starts until `backfilld start-all`", why=order.message, since=str(order.since))
