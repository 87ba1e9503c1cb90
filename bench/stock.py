"""What a run begins with: a migrated database that holds so many entities, and a key to ask with.

Made once per size and then copied, because loading a million entities is not what is compared.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import orjson

from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import create_key
from backfilld.store.connection.pool import open_pool
from backfilld.store.entities.uploads import EntityRow, EntityUploads, UploadTerms
from backfilld.store.migrate import migrate
from bench.postgres import Postgres

ENTITY_TYPE = "ticket"
STATUSES = ("new", "open", "waiting", "closed")
FILTER = {"status": list(STATUSES)}  # read and tested like any filter, and true of all
WRITTEN_AT = datetime(2026, 5, 2, 11, 12, 13, tzinfo=UTC)
BATCH = 5_000


def attributes(number: int) -> dict[str, object]:
    """About 300 bytes as JSON."""
    return {
        "title": f"Printer {number} on the second floor does not answer",
        "status": STATUSES[number % 4],
        "priority": number % 5,
        "company": {"id": number % 997, "name": "Contoso Ltd"},
        "created_at": "2026-05-01T10:00:00Z",
        "tags": ["printer", "hardware"],
        "notes": "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt",
    }


class Stock:
    """Database templates by size. `key` asks in all of them."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._keys: dict[int, str] = {}
        self._one_at_a_time = asyncio.Lock()

    async def template(self, entities: int) -> tuple[str, str]:
        """The name of a template with so many entities, and an admin's API key that is in it."""
        name = f"stock_{entities}"
        async with self._one_at_a_time:
            if entities not in self._keys:
                await self._postgres.create(name)
                self._keys[entities] = await _fill(self._postgres.dsn_of(name), entities)
        return name, self._keys[entities]


async def _fill(dsn: str, entities: int) -> str:
    await migrate(dsn)
    pool = await open_pool(dsn, size=1)
    try:
        if entities:
            terms = UploadTerms(ENTITY_TYPE, WRITTEN_AT, fields={"status": "string"})
            await EntityUploads(pool).store(_batches(entities), terms)
            await pool.execute("VACUUM ANALYZE entities")
        return (await create_key(pool, SystemClock(), name="bench", role="admin", actor=Actor.local("bench"))).key
    finally:
        await pool.close()


async def _batches(entities: int) -> AsyncIterator[Sequence[EntityRow]]:
    for start in range(0, entities, BATCH):
        numbers = range(start, min(entities, start + BATCH))
        yield [(number, f"T{number:07}", orjson.dumps(attributes(number)).decode(), WRITTEN_AT) for number in numbers]
