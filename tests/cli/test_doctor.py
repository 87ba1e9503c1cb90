"""`backfilld doctor`: each thing that can be broken is broken, and named with what to do about it."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.cli.conftest import Backfilld, Ended
from tests.support.database import Databases
from tests.support.stub_daemon import StubDaemon, digdag

from backfilld import __version__
from backfilld.cli.doctor import machine
from backfilld.store.migrate import migrate

Doctor = Callable[..., Any]
SQL_TYPE = """
[secrets.crm]
value = "postgresql://nobody@127.0.0.1:1/crm"
[entity_types.ticket]
source = "sql"
[entity_types.ticket.sql]
dsn = { secret = "crm" }
query = "SELECT id::text AS id FROM tickets"
"""
TARGET = """
[[workflows]]
name = "notify"
executor = { type = "http", url = "http://127.0.0.1:1/notify" }
"""


@pytest.fixture
async def doctor(backfilld: Backfilld, dsn: str, tmp_path: Path) -> Doctor:
    """On a migrated database and a state folder of its own; `text` is added to the configuration."""
    await migrate(dsn)
    (tmp_path / "state").mkdir(mode=0o700)
    file = tmp_path / "backfilld.toml"
    file.touch(mode=0o600)

    async def run(text: str = "", *, database: str = f'dsn = "{dsn}"', server: str = "port = 0") -> Ended:
        state = tmp_path / "state"
        file.write_text(f'[database]\n{database}\n[state]\ndirectory = "{state}"\n[server]\n{server}\n{text}')
        return await backfilld("doctor", "--config", str(file), "--json")

    return run


def found(ended: Ended, what: str, state: str) -> dict[str, Any]:
    """The finding of that kind, which must say what to do."""
    matching = [one for one in ended.json["findings"] if (one["what"], one["state"]) == (what, state)]

    assert matching, ended.json
    assert matching[0]["do"]
    return dict(matching[0])


async def test_where_nothing_is_wrong_the_code_is_zero(doctor: Doctor, backfilld: Backfilld, tmp_path: Path) -> None:
    ended = await doctor()
    for_people = await backfilld("doctor", "--config", str(tmp_path / "backfilld.toml"))

    assert (0, True) == (ended.code, ended.json["ok"])
    assert {"config", "database", "schema", "clock", "time zones", "disk", "state", "versions", "address"} <= {
        one["what"] for one in ended.json["findings"] if one["state"] == "ok"
    }
    assert 0 == for_people.code
    assert "-> `backfilld serve`" in for_people.out  # no daemon runs: a warning


@pytest.mark.parametrize(
    ("settings", "what", "words"),
    [
        ({"text": "[engine]\nnonsense = 1"}, "config", "engine.nonsense"),
        ({"database": 'dsn = "postgresql://nobody@127.0.0.1:1/x"'}, "database", "does not answer"),
        ({"database": 'dsn_file = "/nowhere/dsn"'}, "config", "database.dsn_file"),
    ],
)
async def test_what_keeps_a_daemon_from_working_is_code_10(
    doctor: Doctor, settings: dict[str, str], what: str, words: str
) -> None:
    ended = await doctor(**settings)

    assert (10, False) == (ended.code, ended.json["ok"])
    assert words in found(ended, what, "problem")["found"]


async def test_a_taken_address_is_named(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await doctor(server=f"port = {port}")

    assert 10 == ended.code
    assert f"127.0.0.1:{port} cannot be used" in found(ended, "address", "problem")["found"]


@pytest.mark.parametrize(
    ("text", "what", "words"),
    [(TARGET, "target", "http://127.0.0.1:1: "), (SQL_TYPE, "source", "ticket: ")],
)
async def test_what_stands_around_and_is_away_is_code_1(doctor: Doctor, text: str, what: str, words: str) -> None:
    ended = await doctor(text)

    assert 1 == ended.code
    assert words in found(ended, what, "problem")["found"]


async def test_a_target_that_listens_is_well_and_gets_nothing(doctor: Doctor, daemon: StubDaemon) -> None:
    ended = await doctor(TARGET.replace("http://127.0.0.1:1", daemon.url))

    assert 0 == ended.code
    assert "takes connections (used by notify)" in str(ended.json)
    assert [] == daemon.received


async def test_a_database_without_the_schema_is_a_warning(doctor: Doctor, databases: Databases) -> None:
    async with databases.database("template1") as empty:
        ended = await doctor(database=f'dsn = "{empty}"')

    assert 0 == ended.code
    assert "migrations are missing" in found(ended, "schema", "warning")["found"]


async def test_a_folder_that_others_look_into_and_a_file_that_others_change(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "state").chmod(0o755)
    (tmp_path / "backfilld.toml").chmod(0o666)
    ended = await doctor()

    assert 1 == ended.code
    assert "mode 755" in found(ended, "state", "warning")["found"]
    assert "chmod o-w" in found(ended, "file modes", "problem")["do"]


async def test_a_state_folder_that_is_none(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "state").rmdir()
    (tmp_path / "state").touch()
    ended = await doctor()

    assert 10 == ended.code
    assert "is not a folder" in found(ended, "state", "problem")["found"]


@pytest.mark.parametrize(("free", "code"), [(10_000_000, 10), (50_000_000_000, 0)])
async def test_a_full_disk(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, free: int, code: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**11, used=10**11 - free, free=free))
    ended = await doctor()

    assert code == ended.code


@pytest.mark.parametrize(
    ("ready", "version", "code", "state", "words"),
    [
        ({"checks": {"database": {"ok": True, "message": None}}}, __version__, 0, None, ""),
        (
            {"checks": {"database": {"ok": False, "message": "no disk"}}},
            __version__,
            10,
            "problem",
            "database: no disk",
        ),
        ({"checks": {}}, "0.0.1", 0, None, ""),
        ({"checks": {}, "stopped_since": "2027-03-14T07:00:00Z"}, __version__, 0, "warning", "everything is stopped"),
    ],
)
async def test_a_daemon_that_runs_is_asked(
    doctor: Doctor, daemon: StubDaemon, tmp_path: Path, ready: Any, version: str, code: int, state: Any, words: str
) -> None:
    daemon.script("GET", "/readyz", digdag(ready))
    daemon.script("GET", "/healthz", digdag({"version": version}))
    (tmp_path / "state" / "address").write_text(daemon.url)
    ended = await doctor()

    assert code == ended.code, ended.json
    if state is not None:
        assert words in found(ended, "daemon", state)["found"]


async def test_a_daemon_that_was_killed_left_its_address_behind(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "state" / "address").write_text("http://127.0.0.1:1")
    ended = await doctor()

    assert 10 == ended.code
    assert "does not answer" in found(ended, "daemon", "problem")["found"]


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "ok"), (1.9, "ok"), (-2, "warning"), (29, "warning"), (30, "problem")]
)
def test_clocks_are_compared(seconds: float, state: str) -> None:
    now = datetime(2027, 3, 1, tzinfo=UTC)

    assert state == machine.compared("the database", now, now + timedelta(seconds=seconds)).state


@pytest.mark.parametrize(("year", "state"), [(2026, "ok"), (2040, "warning")])
def test_rules_of_zones_grow_old(year: int, state: str) -> None:
    assert state == machine.zones(datetime(year, 12, 1, tzinfo=UTC)).state


def test_a_time_server_that_was_not_reached_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SYSTEMD", "TIMESYNC"):
        monkeypatch.setattr(machine, name, tmp_path)
    monkeypatch.setattr(machine, "SYNCHRONISED", tmp_path / "synchronized")
    before = machine.clock().state
    (tmp_path / "synchronized").touch()

    assert ("warning", "ok") == (before, machine.clock().state)


def pem(folder: Path, begins: datetime, ends: datetime) -> Path:
    """A certificate of localhost for that time, with its key, in one file."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    file = folder / "localhost.pem"
    file.touch(mode=0o600)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM) + secret)
    return file


NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("begins", "ends", "code", "state", "words"),
    [
        (NOW - 9 * DAY, NOW - DAY, 1, "problem", "has expired on"),
        (NOW - 9 * DAY, NOW + DAY, 0, "warning", "expires on"),
        (NOW + DAY, NOW + 9 * DAY, 1, "problem", "is not valid before"),
    ],
)
async def test_a_certificate_that_nobody_believes_is_a_problem(
    doctor: Doctor, tmp_path: Path, begins: datetime, ends: datetime, code: int, state: str, words: str
) -> None:
    ended = await doctor(server=f'port = 0\ntls_certificate_file = "{pem(tmp_path, begins, ends)}"')

    assert code == ended.code
    assert words in found(ended, "config", state)["found"]


async def test_a_secret_that_everybody_may_read_is_named_with_the_command_that_mends_it(
    doctor: Doctor, tmp_path: Path
) -> None:
    (tmp_path / "crm").write_text("secret")
    (tmp_path / "crm").chmod(0o644)
    ended = await doctor(f'[secrets.crm]\nfile = "{tmp_path}/crm"')

    assert f"chmod o-r {tmp_path}/crm" == found(ended, "config", "warning")["do"]


@pytest.mark.parametrize(
    ("ends", "trusted", "words", "do"),
    [
        (NOW - DAY, True, "certificate has expired", "renew"),
        (NOW + DAY, False, "self-signed certificate", "SSL_CERT_FILE"),
    ],
)  # fmt: skip
async def test_a_target_whose_certificate_is_not_believed(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: datetime, trusted: bool, words: str, do: str
) -> None:
    file = pem(tmp_path, NOW - 9 * DAY, ends)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        ended = await doctor(TARGET.replace("http://127.0.0.1:1", f"https://localhost:{port}"))
    told = found(ended, "target", "problem")

    assert (1, True, True) == (ended.code, words in told["found"], do in told["do"]), told


async def test_a_name_that_nobody_knows_is_told_from_a_target_that_is_away(doctor: Doctor) -> None:
    ended = await doctor(TARGET.replace("127.0.0.1:1", "nobody.invalid"))

    assert "DNS" in found(ended, "target", "problem")["do"]


async def test_a_file_that_is_not_there_is_not_to_be_mended(backfilld: Backfilld, tmp_path: Path) -> None:
    ended = await backfilld("doctor", "--config", str(tmp_path / "nowhere.toml"), "--json")

    assert 10 == ended.code
    assert "--config" in found(ended, "config", "problem")["do"]


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00", b"[server\n", b"server = 3\n", b"\x00" * 100])
async def test_garbage_instead_of_a_configuration(backfilld: Backfilld, tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "b.toml").write_bytes(garbage)
    ended = await backfilld("doctor", "--config", str(tmp_path / "b.toml"), "--json")

    assert 10 == ended.code
    assert "b.toml" in found(ended, "config", "problem")["found"]
