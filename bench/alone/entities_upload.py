"""How fast entities get into the built-in store, over HTTP, with everything on this machine.

    python -m bench.alone.entities_upload [ENTITIES] [ROUNDS]

An embedded PostgreSQL with fsync on, the API in this process, the sender in another. A round is three uploads of
~300 bytes an entity: into an empty type, the same again, and all of them changed.
"""

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from backfilld.api.framework.server import ApiServer, ServerOptions, doorkeeper
from backfilld.api.public.entities.routes import routes
from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Caller
from backfilld.embedded import EmbeddedPostgres
from backfilld.operations.entities import Entities
from backfilld.sources.builtin import BuiltinSource
from backfilld.sources.registry import SourceRegistry
from backfilld.store.connection.pool import open_pool
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads
from backfilld.store.migrate import migrate

LINES_AT_ONCE = 2_000


class Anybody:
    """Lets every bearer in."""

    async def authenticate(self, token: str) -> Caller:
        return Caller("key:bench", "bench", "operator")


def line(number: int, priority: int) -> bytes:
    """About 300 bytes."""
    attributes = {
        "title": f"Printer {number} on the second floor does not answer",
        "status": ("new", "open", "waiting", "closed")[number % 4],
        "priority": priority,
        "company": {"id": number % 997, "name": "Contoso Ltd"},
        "created_at": "2026-05-01T10:00:00Z",
        "tags": ["printer", "hardware"],
        "notes": "lorem ipsum dolor sit amet consectetur",
    }
    record = {"id": f"t-{number * 7919 % 10_000_019}", "attributes": attributes, "updated_at": "2026-05-02T11:12:13Z"}
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def send(url: str, entities: int, priority: int, answer: Any) -> None:
    """In a process of its own: the lines are made first, then sent as fast as they are taken."""
    batches = [
        b"".join(line(number, priority) for number in range(start, min(entities, start + LINES_AT_ONCE)))
        for start in range(0, entities, LINES_AT_ONCE)
    ]

    async def body() -> AsyncIterator[bytes]:
        for batch in batches:
            yield batch

    async def put() -> None:
        headers = {"Authorization": "Bearer bench", "Content-Type": "application/x-ndjson"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session:
            began = time.monotonic()
            async with session.put(f"{url}/public-api/entities/ticket", data=body()) as response:
                counts = (await response.json())["data"]
            answer.put((time.monotonic() - began, counts, sum(map(len, batches)) / entities))

    asyncio.run(put())


async def upload(url: str, entities: int, priority: int) -> None:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=send, args=(url, entities, priority, answer))
    process.start()
    seconds, counts, size = await asyncio.to_thread(answer.get)
    process.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{entities / seconds:9,.0f} entities/s of {size:.0f} bytes, peak {peak:.0f} MB, {counts}", flush=True
    )  # what it is for


async def main(entities: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # a disk, where /tmp may be memory
        server = EmbeddedPostgres(Path(folder) / "postgres")
        await server.start()
        try:
            await migrate(server.dsn)
            pool = await open_pool(server.dsn)
            store, clock = EntityStore(pool), SystemClock()

            async def learned(entity_type: str) -> Any:
                return (await store.get_type(entity_type)).fields

            sources = SourceRegistry({"builtin": BuiltinSource(store)}, learned=learned)
            verbs = Entities(store, EntityUploads(pool), sources, clock)
            door = doorkeeper([Anybody()], clock, ServerOptions())
            api = ApiServer(routes(verbs, clock, max_body_bytes=1 << 23), door=door, clock=clock)
            await api.start()
            for number in range(rounds):
                await pool.execute("TRUNCATE entities, entity_types")
                for priority in (2 * number, 2 * number, 2 * number + 1):
                    await upload(api.url, entities, priority)
            await api.stop()
            await pool.close()
        finally:
            await server.stop()


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*[*given, *(200_000, 3)[len(given) :]]))
