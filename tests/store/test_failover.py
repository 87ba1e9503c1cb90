"""A database of several servers, of which one takes changes; and one that takes none."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from tests.support.clock import FakeClock
from tests.support.database import scratch_folder
from tests.support.waiting import eventually

from backfilld.embedded import EmbeddedPostgres
from backfilld.store.connection import pool as pool_module
from backfilld.store.connection.address import Address, each_alone, hosts_of, writing
from backfilld.store.connection.connect_errors import DatabaseRefused
from backfilld.store.connection.pool import open_pool, wait_for_database
from backfilld.store.connection.transient_errors import is_transient
from backfilld.store.preflight import look_over


@asynccontextmanager
async def on_tcp(dsn: str) -> AsyncIterator[int]:
    """A port that leads to the socket of `dsn`."""
    query = parse_qs(urlsplit(dsn).query)
    path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def several(dsn: str, *ports: int, attribute: str | None = None) -> str:
    parts = urlsplit(dsn)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    user = parts.netloc.rpartition("@")[0]
    return f"postgresql://{user}@{hosts}{parts.path}" + (f"?target_session_attrs={attribute}" if attribute else "")


def closed_port() -> int:
    with socket.socket() as closed_again:
        closed_again.bind(("127.0.0.1", 0))
        return closed_again.getsockname()[1]


@pytest.mark.parametrize("attribute", [None, "read-write", "primary", "any"])
async def test_the_server_that_is_there_is_used_though_another_is_named_first(dsn: str, attribute: str | None) -> None:
    async with on_tcp(dsn) as port:
        pool = await open_pool(writing(several(dsn, closed_port(), port, attribute=attribute)), size=1)
        found = await pool.fetchval("SELECT 1")
        await pool.close()

    assert 1 == found


async def test_a_server_that_says_nothing_does_not_keep_us_from_the_other(dsn: str, monkeypatch) -> None:
    monkeypatch.setattr(pool_module, "CONNECT_TIMEOUT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with on_tcp(dsn) as port:
            pool = await open_pool(writing(several(dsn, silent.getsockname()[1], port)), size=1)
            found = await pool.fetchval("SELECT 1")
            await pool.close()

    assert 1 == found


async def test_servers_of_which_none_takes_changes_are_waited_for(dsn: str, clock: FakeClock) -> None:
    told: list[str] = []
    connection = await asyncpg.connect(dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    async with on_tcp(dsn) as port:
        waiting = asyncio.create_task(wait_for_database(writing(several(dsn, port, port)), clock, told.append))
        await eventually(lambda: told)
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        while not waiting.done():
            await clock.advance(1.0)
        await waiting
    await connection.close()

    assert "None of the hosts match" in told[0]
    assert is_transient(asyncpg.TargetServerAttributeNotMatched("x"))


async def test_a_standby_alone_is_named_as_such() -> None:
    with scratch_folder() as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        await server.start()
        await server.stop()
        versions = (Path(folder) / "postgres").rglob("PG_VERSION")
        (data,) = (file.parent for file in versions if (file.parent / "postgresql.conf").exists())
        (data / "standby.signal").touch()
        dsn = await server.start()
        try:
            with pytest.raises(DatabaseRefused) as refused:
                await look_over(Address(dsn))
        finally:
            await server.stop()

    assert "is a standby, which takes no changes: name the primary" in str(refused.value)
    assert refused.value.may_pass


@pytest.mark.parametrize(
    ("dsn", "name", "hosts"),
    [
        ("postgresql://u:p@A:5432,b:5433/x", "a:5432,b:5433/x", ("a", "b")),
        ("postgresql://a,b/x", "a,b/x", ("a", "b")),
        ("postgresql://[::1]:5432,[fe80::1]/x", "[::1]:5432,[fe80::1]/x", ("::1", "fe80::1")),
        ("postgresql://u@/x?host=/run", "local socket/x", ()),
        ("postgresql:///x", "local socket/x", ()),
    ],
)
def test_each_server_is_shown_to_people(dsn: str, name: str, hosts: tuple[str, ...]) -> None:
    assert (name, hosts) == (Address(dsn).name, Address(dsn).hosts)


@pytest.mark.parametrize("netloc", ["a:x,b", "a:1,b:99999", "a:0", "a,,b", ",a", "[::1]x", "a:1:2"])
def test_hosts_that_are_none_are_refused_without_being_repeated(netloc: str) -> None:
    with pytest.raises(ValueError, match="must be written host:port") as refused:
        hosts_of(f"postgresql://user:tiger@{netloc}/x")

    assert "tiger" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgresql://a,b/x", "postgresql://a,b/x?target_session_attrs=read-write"),
        ("postgresql://a,b/x?sslmode=require", "postgresql://a,b/x?sslmode=require&target_session_attrs=read-write"),
        ("postgresql://a,b/x?target_session_attrs=any", "postgresql://a,b/x?target_session_attrs=any"),
        ("postgresql://a/x", "postgresql://a/x"),
    ],
)
def test_of_several_servers_the_one_that_takes_changes_is_meant(given: str, wanted: str) -> None:
    assert wanted == writing(given)


def test_each_server_alone_keeps_what_the_dsn_says_beside() -> None:
    dsn = "postgresql://u:p%40@a:5432,b/x?sslmode=require"

    assert ("postgresql://u:p%40@a:5432/x?sslmode=require", "postgresql://u:p%40@b/x?sslmode=require") == each_alone(
        dsn
    )
    assert ("postgresql:///x?host=/run",) == each_alone("postgresql:///x?host=/run")
