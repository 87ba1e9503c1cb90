"""`backfilld upgrade`: whatever fails on the way forward leaves the way back, and on the way back nothing is lost."""

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from backfilld.cli.admin.upgrade.installation import Installation
from backfilld.cli.admin.upgrade.postgres import Postgres, postgres_of
from backfilld.cli.admin.upgrade.service import Service
from backfilld.cli.admin.upgrade.steps import Upgrade
from backfilld.cli.output.error_output import Failure
from backfilld.embedded.binaries import find_binaries
from backfilld.store.admin.stopping import stop_after_restore

MIGRATIONS = Path(__file__).parents[2] / "src/backfilld/store/migrations"
AT = datetime(2027, 3, 1, 12, tzinfo=UTC)
UNIT = "[Service]\nExecStart=/opt/backfilld/current/bin/backfilld serve --config /srv/our own.toml\nUser=svc\n".replace(
    "/srv/our own.toml", '"/srv/our own.toml"'
)
SYSTEMCTL = '#!/bin/sh\necho "systemctl $*" >> {log}\ntest ! -e {broken} || [ "$1" != restart ]\n'
PROGRAM = '#!/bin/sh\necho "{version} $*" >> {log}\n'
FAILS = "#!/bin/sh\nprintf PGDMP\necho no space left >&2\nexit 1\n"
HALF = "#!/bin/sh\nprintf PGDMP\n"
OTHER = '#!/bin/sh\nexec {real} --exclude-table=schema_migration "$@"\n'


class Machine:
    """An installation of two versions in a folder, with a systemctl that notes what it is asked."""

    def __init__(self, folder: Path, dsn: str, admin_dsn: str) -> None:
        self.log, self.broken, self.bin = folder / "log", folder / "broken", folder / "bin"
        self.root, self.dumps, self.units = folder / "opt", folder / "backups", folder / "units"
        for made in (self.bin, self.root, self.dumps, self.units):
            made.mkdir()
        (self.units / "backfilld.service").write_text(UNIT)
        self.write(self.bin / "systemctl", SYSTEMCTL.format(log=self.log, broken=self.broken))
        for version in ("1.0", "2.0"):
            self.install(version)
        (self.root / "current").symlink_to("1.0")
        self.said: list[str] = []
        self.dsn = dsn
        self.upgrade = Upgrade(
            Installation(self.root, "2.0"), Service(self.units), postgres_of(dsn, admin_dsn), self.dumps, None, AT,
            self.said.append,
        )  # fmt: skip

    def write(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def install(self, version: str) -> None:
        home = self.root / version
        self.write(home / "bin/backfilld", PROGRAM.format(version=version, log=self.log))
        (home / "pyvenv.cfg").write_text("")
        shutil.copytree(MIGRATIONS, home / "lib/python3.11/site-packages/backfilld/store/migrations")

    def later(self) -> Upgrade:
        return replace(self.upgrade, at=self.upgrade.at + timedelta(minutes=1))

    @property
    def state(self) -> tuple[str, str | None]:
        return self.upgrade.installation.current, self.upgrade.installation.previous

    @property
    def files(self) -> list[str]:
        return sorted(file.name for file in self.dumps.iterdir())

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    async def sql(self, sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql)
        finally:
            await connection.close()

    async def migrate_to_the_next(self) -> None:
        """What a later version would have done at its start."""
        await self.sql("CREATE TABLE later ()")
        await self.sql("INSERT INTO schema_migration VALUES (99, 'later', 'x', now())")
        new = self.root / "2.0/lib/python3.11/site-packages/backfilld/store/migrations/0099_later.sql"
        new.write_text("CREATE TABLE later ();")


@pytest.fixture
async def dsn(databases) -> AsyncIterator[str]:
    """A database to which nobody keeps a connection: it is renamed."""
    async with databases.database() as dsn:
        yield dsn


@pytest.fixture
def machine(tmp_path, dsn, databases, monkeypatch) -> Machine:
    found = Machine(tmp_path, dsn, databases.server.dsn)
    monkeypatch.setenv("PATH", f"{found.bin}:{find_binaries()}:/usr/bin:/bin")
    return found


def test_a_switch_leaves_a_dump_the_version_before_and_the_unit_of_the_new_one(machine):
    machine.upgrade.switch("2.0")

    assert ("2.0", "1.0") == machine.state
    assert ["backfilld-1.0-before-2.0-20270301T120000Z.dump"] == machine.files
    assert 0o600 == (machine.dumps / machine.files[0]).stat().st_mode & 0o777
    assert [
        "2.0 install-service --force --config /srv/our own.toml --user svc",
        "systemctl daemon-reload", "systemctl restart backfilld.service",
    ] == machine.calls  # fmt: skip


def test_a_second_switch_keeps_the_way_back(machine):
    machine.upgrade.switch("2.0")
    dump = (machine.dumps / machine.files[0]).read_bytes()
    machine.later().switch("2.0")

    assert ("2.0", "1.0") == machine.state
    assert [dump] == [file.read_bytes() for file in machine.dumps.iterdir()]


@pytest.mark.parametrize(
    ("pg_dump", "why"),
    [(FAILS, "no space left"), (HALF, "pg_restore"), (OTHER, "no table schema_migration")],
    ids=["fails", "half", "of something else"],
)
def test_nothing_is_switched_without_a_good_dump(machine, pg_dump, why):
    machine.write(machine.bin / "pg_dump", pg_dump.format(real=find_binaries() / "pg_dump"))
    with pytest.raises(Failure, match=why):
        machine.upgrade.switch("2.0")

    assert ("1.0", None) == machine.state
    assert [] == machine.files
    assert [] == machine.calls


def test_a_dump_is_never_written_over(machine):
    machine.upgrade.switch("2.0")
    machine.upgrade.installation.switch_back("1.0")
    before = (machine.dumps / machine.files[0]).stat()
    with pytest.raises(Failure, match="never written over"):
        machine.upgrade.switch("2.0")

    assert before == (machine.dumps / machine.files[0]).stat()
    assert "1.0" == machine.state[0]


def test_a_switch_that_does_not_start_says_the_way_back_and_can_be_repeated(machine):
    machine.broken.touch()
    with pytest.raises(Failure, match="backfilld upgrade rollback"):
        machine.upgrade.switch("2.0")
    machine.broken.unlink()
    machine.later().switch("2.0")

    assert ("2.0", "1.0") == machine.state
    assert 1 == len(machine.files)


async def test_a_database_that_the_old_version_knows_stays_as_it_is(machine):
    machine.upgrade.switch("2.0")
    await machine.sql("CREATE TABLE written_since ()")
    machine.later().roll_back("")
    machine.later().roll_back("")

    assert "1.0" == machine.state[0]
    assert [(True,)] == await machine.sql("SELECT to_regclass('written_since') IS NOT NULL")
    assert "1.0 install-service --force --config /srv/our own.toml --user svc" in machine.calls


async def test_a_database_that_was_migrated_is_exchanged_for_the_dump_and_kept(machine):
    machine.upgrade.switch("2.0")
    await machine.migrate_to_the_next()
    machine.later().roll_back(stop_after_restore("a dump", AT))
    machine.later().roll_back("")
    (kept,) = await machine.sql(
        "SELECT datname FROM pg_database WHERE datname LIKE current_database() || '_replaced_%'"
    )

    assert "1.0" == machine.state[0]
    assert [(None, True)] == await machine.sql("SELECT to_regclass('later'), (SELECT stopped FROM stop_order)")
    assert any(kept["datname"] in line for line in machine.said)
    assert [kept["datname"]] == machine.upgrade.postgres.replaced()
    assert [] == await machine.sql("SELECT 1 FROM pg_database WHERE datname LIKE '%restored%'")


async def spoil_dump(machine: Machine) -> None:
    file = machine.dumps / machine.files[0]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


async def lose_dump(machine: Machine) -> None:
    (machine.dumps / machine.files[0]).unlink()


async def break_restore(machine: Machine) -> None:
    real = find_binaries() / "pg_restore"
    machine.write(machine.bin / "pg_restore", f'#!/bin/sh\ncase "$*" in *--exit*) exit 3;; esac\nexec {real} "$@"\n')


@pytest.mark.parametrize("trouble", [spoil_dump, lose_dump, break_restore])
async def test_a_way_back_that_fails_takes_nothing_away(machine, trouble: Callable):
    machine.upgrade.switch("2.0")
    await machine.migrate_to_the_next()
    calls = machine.calls
    await trouble(machine)
    with pytest.raises(Failure):
        machine.later().roll_back("")

    assert ("2.0", "1.0") == machine.state
    assert [(True,)] == await machine.sql("SELECT to_regclass('later') IS NOT NULL")
    assert [] == await machine.sql("SELECT 1 FROM pg_database WHERE datname LIKE '%restored%'")
    assert calls == machine.calls


async def test_a_database_in_use_is_not_exchanged_and_the_service_goes_on(machine):
    machine.upgrade.switch("2.0")
    await machine.migrate_to_the_next()
    held = await asyncpg.connect(machine.dsn)
    with pytest.raises(Failure, match="being accessed by other users"):
        machine.later().roll_back("")
    await held.close()

    assert ("2.0", "1.0") == machine.state
    assert ["systemctl stop backfilld.service", "systemctl restart backfilld.service"] == machine.calls[-2:]
    assert [] == await machine.sql("SELECT 1 FROM pg_database WHERE datname LIKE '%restored%'")


def test_what_neither_runs_nor_ran_before_can_be_removed(machine):
    machine.install("0.9")
    machine.upgrade.switch("2.0")
    found = machine.upgrade.installation

    assert ["0.9", "1.0", "2.0"] == found.versions()
    for version in ("1.0", "2.0"):
        with pytest.raises(Failure, match="in use"):
            found.remove(version)
    found.remove("0.9")
    assert ["1.0", "2.0"] == found.versions()


def test_a_password_is_in_no_list_of_processes(machine):
    argv = machine.root / "argv"
    machine.write(machine.bin / "psql", f'#!/bin/sh\necho "$@" "<$PGPASSWORD>" > {argv}\n')
    Postgres("b", 5432, "postgresql://boss:s%40cret@db.test/postgres?sslmode=require").ask("SELECT 1", "it's")

    assert "postgresql://boss@db.test/it%27s?sslmode=require" in argv.read_text()
    assert argv.read_text().endswith("<s@cret>\n")
    assert 1 == argv.read_text().count("cret>")


def test_a_server_elsewhere_needs_somebody_who_may_make_databases():
    with pytest.raises(Failure, match="--admin-dsn-file"):
        postgres_of("postgresql://b@db.example.com/b", None)


def test_a_file_that_is_no_dump_is_none(machine, tmp_path):
    (tmp_path / "x").write_text("hello")
    with pytest.raises(Failure):
        machine.upgrade.postgres.verify(tmp_path / "x")
