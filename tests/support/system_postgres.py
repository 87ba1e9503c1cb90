"""A PostgreSQL as distributions build it, with OpenSSL, and a PgBouncer in front of it; the wheel's has no TLS.

Where they are not installed (`apt-get install postgresql pgbouncer`), tests that need them are skipped.
"""

import asyncio
import os
import pwd
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.waiting import eventually

from backfilld.embedded import EmbeddedPostgres
from backfilld.embedded.binaries import VARIABLE

DEBIAN = Path("/usr/lib/postgresql")


def system_binaries() -> Path:
    """The folder of the newest PostgreSQL of the system; without one the test is skipped."""
    found = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    if not found:
        _do_without("no PostgreSQL of the system: apt-get install postgresql")
    return found[-1].parent


def pgbouncer() -> str:
    """The program; without it the test is skipped."""
    found = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        _do_without("no pgbouncer: apt-get install pgbouncer")
    return found


def _do_without(why: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Authority:
    """A CA of its own; what it signs is valid for an hour."""

    def __init__(self, folder: Path, name: str = "a CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._folder = folder
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(
            _pem(self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))
        )

    def certify(self, host: str) -> tuple[Path, Path]:
        """Certificate and key for `host`, as files that a server accepts."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        signed = self._signed(subject, key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        certificate, private = self._folder / f"{host}.crt", self._folder / f"{host}.key"
        certificate.write_bytes(_pem(signed))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

    def _signed(self, subject: x509.Name, key: Any, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@asynccontextmanager
async def system_postgres(folder: Path, **settings: str) -> AsyncIterator[int]:
    """The port on 127.0.0.1 of a server without passwords; its superuser is `backfilld`, its database `postgres`."""
    port = free_port()
    server = EmbeddedPostgres(
        folder / "system-postgres",
        durable=False,
        settings={"listen_addresses": "127.0.0.1", "port": str(port)} | settings,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(system_binaries()))
        await server.start()
    try:
        yield port
    finally:
        await server.stop()


@asynccontextmanager
async def running_pgbouncer(folder: Path, server_port: int, **settings: str) -> AsyncIterator[int]:
    """The port on 127.0.0.1 of a PgBouncer in transaction mode, unless `settings` say otherwise."""
    program, port = pgbouncer(), free_port()
    chosen = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": "4",
        "logfile": str(folder / "pgbouncer.log"),
    } | settings
    file = folder / "pgbouncer.ini"
    lines = [
        "[databases]",
        f"* = host=127.0.0.1 port={server_port} user=backfilld",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in chosen.items()),
    ]
    file.write_text("\n".join(lines) + "\n")
    command = [program, str(file)]
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        command = ["setpriv", "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups", *command]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)

    async def answers() -> bool:
        try:
            connection = await asyncpg.connect(f"postgresql://backfilld@127.0.0.1:{port}/postgres", timeout=5)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    try:
        await eventually(answers)
        yield port
    finally:
        process.terminate()
        await process.wait()
