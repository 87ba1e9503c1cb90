"""What goes wrong with an SQL source: waited out where that helps, and otherwise told."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from tests.sources.sql_asking import Foreign, Making, ids, listed
from tests.support.database import scratch_folder
from tests.support.system_postgres import system_postgres
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.sql import SqlSource

TABLE = "CREATE TABLE tickets (id bigint, title text); INSERT INTO tickets VALUES (1, 'a'), (2, 'b'), (3, 'c')"
QUERY = "SELECT * FROM tickets"
WAYS: dict[str, Callable[[SqlSource], Awaitable[Any]]] = {
    "list": listed,
    "read": lambda source: source.read("ticket", ["1"]),
    "count": lambda source: source.count(EntityQuery("ticket"), within_seconds=10),
    "fields": lambda source: source.known_fields(),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


async def broken(source: SqlSource) -> str:
    with pytest.raises(SourceBroken) as caught:
        await listed(source, page_size=2)
    return str(caught.value)


NO_SENSE = {
    "SELECT * FORM tickets": "syntax error",
    "SELECT * FROM tickts": 'relation "tickts" does not exist',
    "SELECT id, titel FROM tickets": 'column "titel" does not exist (Perhaps you meant',
    "SELECT 1; SELECT 2": "syntax error",
    "SELECT title FROM tickets": "gives no column 'id', which is named as its key; it gives title",
    "SELECT id, id FROM tickets": "gives two columns named 'id'",
    "SELECT $1::bigint AS id": "must not have parameters",
    "SELECT 1.5::float8 AS id": "the key 'id' is of type float8, not one of",
    "SELECT id FROM tickets FOR UPDATE": "read-only transaction",
}


@every_way
async def test_a_query_that_makes_no_sense_is_told(
    foreign: Foreign, source_of: Making, way: Callable[[SqlSource], Awaitable[Any]]
) -> None:
    await foreign.execute(TABLE)
    for query, why in NO_SENSE.items():
        with pytest.raises(SourceBroken) as caught:
            await way(source_of(query))

        assert why in str(caught.value), query
        assert "\n" not in str(caught.value), query


async def test_it_cannot_change_anything(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute(TABLE)
    await foreign.execute("CREATE FUNCTION harm() RETURNS bigint LANGUAGE sql AS 'DELETE FROM tickets RETURNING id'")

    assert "read-only transaction" in await broken(source_of("SELECT harm() AS id"))
    assert 3 == await foreign.fetchval("SELECT count(*) FROM tickets")


async def test_a_key_that_is_there_twice_is_told_wherever_the_page_ends(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute(TABLE)
    for key in (1, 2, 3):
        await foreign.execute("DELETE FROM tickets WHERE title = 'twice'")
        await foreign.execute("INSERT INTO tickets VALUES ($1, 'twice')", key)
        source = source_of(QUERY)

        assert f"the key 'id' is not unique: more than one row has '{key}'" in await broken(source)
        with pytest.raises(SourceBroken):
            await source.read("ticket", ["1", "2", "3"])


async def test_a_key_that_is_null_is_told(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute(TABLE)
    await foreign.execute("INSERT INTO tickets VALUES (NULL, 'x')")

    assert "the key 'id' is null in some rows" in await broken(source_of(QUERY))


@pytest.mark.parametrize("key", ["''", "E'a\\nb'", "repeat('x', 513)"])
async def test_a_key_that_is_no_id_is_told(foreign: Foreign, source_of: Making, key: str) -> None:
    assert "cannot be an id: it must" in await broken(source_of(f"SELECT {key}::text AS id"))


@pytest.mark.slow  # on a server with ICU, as distributions build it
async def test_a_key_whose_collation_makes_different_texts_equal_is_told(source_of: Making) -> None:
    with scratch_folder() as folder:
        async with system_postgres(folder) as port:
            dsn = f"postgresql://backfilld@127.0.0.1:{port}/postgres"
            foreign = await asyncpg.connect(dsn)
            await foreign.execute(
                "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                " CREATE TABLE t (id text COLLATE blind PRIMARY KEY)"
            )

            assert 'add COLLATE "C"' in await broken(source_of("SELECT * FROM t", dsn=dsn))
            assert [] == await ids(source_of('SELECT id COLLATE "C" AS id FROM t', dsn=dsn))

            await foreign.close()


async def test_a_time_that_is_none_is_told(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute(TABLE)

    assert "updated_at 'title' is of type text" in await broken(source_of(QUERY, updated_at="title"))
    assert "no column 'changed'" in await broken(source_of(QUERY, updated_at="changed"))


async def test_data_that_cannot_be_read_is_told(foreign: Foreign, source_of: Making) -> None:
    assert "division by zero" in await broken(source_of("SELECT n AS id, 1 / (n - 2) FROM generate_series(1, 3) AS n"))
    assert "\\u0000 cannot be converted" in await broken(source_of("""SELECT 1 AS id, '{"a": "\\u0000"}'::json AS j"""))


async def test_a_database_in_another_encoding_is_told(databases: Any, source_of: Making) -> None:
    async with encoded(databases, "SQL_ASCII") as dsn:
        assert "encoded in SQL_ASCII; UTF8 is needed" in await broken(source_of("SELECT 1 AS id", dsn=dsn))


@asynccontextmanager
async def encoded(databases: Any, encoding: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(databases.dsn_of("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE odd TEMPLATE template0 ENCODING {encoding} LOCALE 'C'")
        yield databases.dsn_of("odd")
    finally:
        await admin.execute("DROP DATABASE IF EXISTS odd WITH (FORCE)")
        await admin.close()


def changed(dsn: str, **parts: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(**parts))


@every_way
async def test_a_server_that_is_not_there_is_waited_for(
    source_of: Making, way: Callable[[SqlSource], Awaitable[Any]]
) -> None:
    with socket.socket() as closed_again:
        closed_again.bind(("127.0.0.1", 0))
        port = closed_again.getsockname()[1]
    with pytest.raises(SourceUnreachable):
        await way(source_of(QUERY, dsn=f"postgresql://u:hunter2@127.0.0.1:{port}/x"))


@every_way
async def test_who_is_not_let_in_waits(
    foreign: Foreign, source_of: Making, empty_dsn: str, way: Callable[[SqlSource], Awaitable[Any]]
) -> None:
    await foreign.execute(TABLE + "; DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN PASSWORD 'x'")
    name = urlsplit(empty_dsn)
    stranger = changed(empty_dsn, netloc=f"stranger:x@{name.netloc.rpartition('@')[2]}")
    try:
        with pytest.raises(SourceUnreachable) as caught:
            await way(source_of(QUERY, dsn=stranger))
    finally:
        await foreign.execute("DROP ROLE stranger")

    assert "permission denied" in str(caught.value) or "authentication" in str(caught.value)


async def test_a_database_that_does_not_exist_is_waited_for(source_of: Making, empty_dsn: str) -> None:
    with pytest.raises(SourceUnreachable, match="does not exist"):
        await listed(source_of(QUERY, dsn=changed(empty_dsn, path="/nowhere")))


async def test_a_dsn_that_is_none_is_told_without_being_repeated(source_of: Making) -> None:
    message = await broken(source_of(QUERY, dsn="mysql://root:hunter2@db/x"))

    assert "its DSN cannot be used" in message
    assert "hunter2" not in message


async def test_a_dsn_that_cannot_be_had_is_waited_for(source_of: Making) -> None:
    def missing() -> str:
        raise SourceUnreachable("the secret 'crm' is not defined")

    with pytest.raises(SourceUnreachable, match="'crm'"):
        await listed(source_of(QUERY, dsn=missing))


async def test_a_new_dsn_is_used_from_the_next_question_on(
    foreign: Foreign, source_of: Making, empty_dsn: str, databases: Any
) -> None:
    await foreign.execute(TABLE)
    dsns = [empty_dsn]
    source = source_of("SELECT id, current_database() AS at FROM tickets", dsn=lambda: dsns[-1])
    before = await listed(source)
    async with databases.database("template1") as other:
        connection = await asyncpg.connect(other)
        await connection.execute(TABLE)
        await connection.close()
        dsns.append(other)
        after = await listed(source)
        await source.close()

    assert {urlsplit(empty_dsn).path[1:]} == {entity.attributes["at"] for entity in before}
    assert {urlsplit(other).path[1:]} == {entity.attributes["at"] for entity in after}


async def test_a_query_that_takes_too_long_is_tried_again(source_of: Making) -> None:
    with pytest.raises(SourceUnreachable, match=r"took longer than 0\.1 s"):
        await listed(source_of("SELECT 1 AS id, pg_sleep(5)", statement_timeout_seconds=0.1))


async def test_a_connection_that_is_cut_is_made_anew(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute(TABLE)
    source = source_of(QUERY)
    listing = asyncio.create_task(listed(source_of("SELECT id, pg_sleep(5) FROM tickets")))
    await ids(source)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backfilld' AND state = $1"
    await eventually(lambda: foreign.fetchval(cut, "active"))
    with pytest.raises(SourceUnreachable) as lost:
        await listing
    await eventually(lambda: foreign.fetchval(cut, "idle"))

    assert "__" not in str(lost.value), "a method of Python is no reason"

    assert ["1", "2", "3"] == await eventually(lambda: asyncio.create_task(recovered(source)))


async def recovered(source: SqlSource) -> list[str] | None:
    try:
        return await ids(source)
    except SourceUnreachable:
        return None


async def test_what_was_known_of_fields_will_do_while_the_database_is_away(
    foreign: Foreign, source_of: Making, empty_dsn: str, clock: Any
) -> None:
    await foreign.execute(TABLE)
    dsns = [empty_dsn]
    source = source_of(QUERY, dsn=lambda: dsns[-1])
    known = await source.known_fields()
    dsns.append(changed(empty_dsn, path="/nowhere"))
    await clock.advance(3600)

    assert {"id": "integer", "title": "string"} == known == await source.known_fields()
    with pytest.raises(SourceUnreachable):
        await source.look()


async def test_few_connections_are_made_and_none_is_kept_busy(foreign: Foreign, source_of: Making) -> None:
    await foreign.execute(TABLE)
    source = source_of(QUERY)
    await asyncio.gather(*(source.read("ticket", ["1"]) for _ in range(20)))
    states = await foreign.fetch("SELECT state FROM pg_stat_activity WHERE application_name = 'backfilld'")

    assert 1 <= len(states) <= 3
    assert {"idle"} == {row["state"] for row in states}


@pytest.mark.parametrize("way", [way for name, way in WAYS.items() if name != "fields"])
async def test_a_connection_that_is_cut_in_the_middle_is_told_in_words(
    foreign: Foreign, source_of: Making, empty_dsn: str, way: Callable[[SqlSource], Awaitable[Any]]
) -> None:
    await foreign.execute(TABLE)
    async with wire_to(empty_dsn) as wire:
        source = source_of("SELECT id, pg_sleep(60) IS NULL AS title FROM tickets", dsn=wire.dsn)
        asked = asyncio.create_task(way(source))

        async def is_under_way() -> bool:
            asks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
            return bool(await foreign.fetchval(asks)) or asked.done()

        await eventually(is_under_way)
        wire.cut()
        with pytest.raises(SourceUnreachable) as caught:
            await asked

    assert "the connection was lost" == str(caught.value)


async def test_a_connection_that_is_lost_between_two_pages_is_told_in_words(
    foreign: Foreign, source_of: Making, empty_dsn: str
) -> None:
    await foreign.execute(TABLE)
    async with wire_to(empty_dsn) as wire:
        pages = source_of(QUERY, dsn=wire.dsn).pages(EntityQuery("ticket"), cursor=None, page_size=1)
        await anext(pages)
        wire.cut()
        with pytest.raises(SourceUnreachable) as caught:
            assert [] == [page async for page in pages]

    assert "__" not in str(caught.value)
    assert "Error" not in str(caught.value)
