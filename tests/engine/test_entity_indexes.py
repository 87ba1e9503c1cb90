"""Indexes of attributes are made and removed as the configuration says, whatever comes between."""

import asyncio
from collections.abc import AsyncIterator
from secrets import token_hex

import asyncpg
import pytest
from tests.support.clock import NOON, FakeClock
from tests.support.waiting import eventually

from backfilld.bus import Bus
from backfilld.engine import entity_indexes
from backfilld.engine.entity_indexes import NO_RIGHT, NO_SESSION, EntityIndexes
from backfilld.store.connection.address import address_of
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.indexes import EntityIndexStore


class Daemon:
    """The part of one that sees to indexes."""

    def __init__(self, pool: Pool, dsn: str | None) -> None:
        self.clock = FakeClock()
        self.store = EntityIndexStore(pool, address_of(dsn) if dsn else None)
        self.indexes = EntityIndexes(self.store, self.clock, Bus())

    async def wants(self, **fields: list[str]) -> None:
        self.indexes.put(fields)
        await self.indexes.tick()

    async def states(self) -> dict[str, str]:
        return {
            f"{kind}.{one.field}": one.state for kind, many in (await self.indexes.states()).items() for one in many
        }


@pytest.fixture
def daemon(pool: Pool, dsn: str) -> Daemon:
    return Daemon(pool, dsn)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the log was told."""
    lines: list[str] = []
    for level in ("info", "warning"):
        monkeypatch.setattr(entity_indexes.log, level, lambda words, *values: lines.append(words % values))
    return lines


@pytest.fixture
async def held(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that has written an entity: an index that is being made waits for its end."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await upload(connection, "held")
    yield connection
    await connection.close()


async def upload(connection: asyncpg.Connection | Pool, id: str) -> None:
    await connection.execute(
        "INSERT INTO entities (entity_type, id, attributes, loaded_at) VALUES ('ticket', $1, '{\"status\": 1}', $2)",
        id,
        NOON,
    )


async def test_those_that_are_wanted_are_made_and_others_removed(daemon: Daemon, told: list[str]) -> None:
    await daemon.wants(ticket=["status", "deep.one"], invoice=["status"])
    made = await daemon.states()
    ready = {kind: set(daemon.indexes.ready(kind)) for kind in ("ticket", "invoice", "company")}
    await daemon.wants(ticket=["deep.one"])

    assert {"ticket.status": "ready", "ticket.deep.one": "ready", "invoice.status": "ready"} == made
    assert {"ticket": {("status",), ("deep", "one")}, "invoice": {("status",)}, "company": set()} == ready
    assert 3 == len([line for line in told if line.endswith("is ready")])
    assert {"ticket.deep.one": "ready"} == await daemon.states()
    assert 1 == len(await daemon.store.list_found())
    assert set() == set(daemon.indexes.ready("invoice"))


async def test_nobody_is_kept_from_writing_while_one_is_made(
    daemon: Daemon, pool: Pool, held: asyncpg.Connection
) -> None:
    making = asyncio.create_task(daemon.wants(ticket=["status"]))

    async def is_building() -> bool:
        return await daemon.states() == {"ticket.status": "building"}

    await eventually(is_building)
    await upload(pool, "meanwhile")
    before = set(daemon.indexes.ready("ticket"))
    await held.execute("COMMIT")
    await making

    assert set() == before
    assert {"ticket.status": "ready"} == await daemon.states()


async def test_one_that_a_kill_left_half_made_is_made_anew(
    daemon: Daemon, pool: Pool, dsn: str, held: asyncpg.Connection
) -> None:
    making = asyncio.create_task(daemon.wants(ticket=["status"]))

    async def is_building() -> bool:
        return await daemon.states() == {"ticket.status": "building"}

    await eventually(is_building)
    making.cancel()
    await asyncio.wait([making])

    async def is_left() -> bool:
        return await daemon.states() == {"ticket.status": "waiting"}

    await eventually(is_left)
    left = await daemon.store.list_found()
    await held.execute("ROLLBACK")
    after = Daemon(pool, dsn)
    await after.wants(ticket=["status"])

    assert [False] == [index.is_ready for index in left.values()]
    assert {"ticket.status": "ready"} == await after.states()
    assert [True] == [index.is_ready for index in (await after.store.list_found()).values()]


async def test_one_that_is_left_half_made_and_wanted_no_more_goes(daemon: Daemon, pool: Pool, dsn: str) -> None:
    await daemon.wants(ticket=["status"])
    await pool.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text LIKE 'entities_attribute_%'"
    )
    await daemon.wants()

    assert {} == await daemon.store.list_found()


async def test_of_two_daemons_one_makes_them_and_both_use_them(
    daemon: Daemon, pool: Pool, dsn: str, held: asyncpg.Connection, told: list[str]
) -> None:
    other = Daemon(pool, dsn)
    making = asyncio.create_task(daemon.wants(ticket=["status"]))

    async def is_building() -> bool:
        return await daemon.states() == {"ticket.status": "building"}

    await eventually(is_building)
    other.indexes.put({"ticket": ["status"]})
    again_at = await other.indexes.tick()
    await held.execute("COMMIT")
    await making
    await other.indexes.tick()

    assert again_at is not None
    assert again_at > other.clock.now()
    assert {("status",)} == set(other.indexes.ready("ticket"))
    assert ["the index of ticket by status is ready"] == told


@pytest.fixture
async def poor(pool: Pool, dsn: str) -> AsyncIterator[tuple[Daemon, str]]:
    """One whose role may use the tables and does not own them."""
    role = f"daemon_{token_hex(6)}"
    owner = await pool.fetchval("SELECT current_user")
    await pool.execute(f"CREATE ROLE {role} LOGIN")
    await pool.execute(f"GRANT SELECT, INSERT ON entities TO {role}")
    yield Daemon(pool, dsn.replace(f"//{owner}@", f"//{role}@")), role
    await pool.execute(f"REASSIGN OWNED BY {role} TO {owner}")
    await pool.execute(f"DROP OWNED BY {role}")
    await pool.execute(f"DROP ROLE {role}")


async def test_one_that_cannot_be_made_says_why_and_is_tried_again(
    poor: tuple[Daemon, str], pool: Pool, told: list[str]
) -> None:
    daemon, role = poor
    await daemon.wants(ticket=["status"])
    state = (await daemon.indexes.states())["ticket"][0]
    await daemon.indexes.tick()  # not at once
    told_so_far = list(told)
    await pool.execute(f"ALTER TABLE entities OWNER TO {role}")
    await pool.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    await daemon.clock.advance(301)
    await daemon.indexes.tick()

    assert ("failed", NO_RIGHT) == (state.state, state.problem)
    assert [f"no index of ticket by status could be made: {NO_RIGHT}"] == told_so_far
    assert "the index of ticket by status is ready" == told[-1]
    assert {"ticket.status": "ready"} == await daemon.states()


async def test_behind_a_pooler_alone_it_says_what_is_missing(pool: Pool) -> None:
    pooled = Daemon(pool, None)
    await pooled.wants(ticket=["status"])

    assert [("failed", NO_SESSION)] == [(one.state, one.problem) for one in (await pooled.indexes.states())["ticket"]]
