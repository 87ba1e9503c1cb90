"""The same for the embedded database: the daemon's server where it runs, else one for as long as a step takes."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

from backfilld.cli.admin.upgrade import programs
from backfilld.cli.admin.upgrade.postgres import PORT, Postgres
from backfilld.cli.output.error_output import Failure
from backfilld.cli.running import run
from backfilld.embedded import EmbeddedError, database_for_command, find_binaries
from backfilld.embedded.binaries import major_version
from backfilld.embedded.server import DATABASE, USER

FREE_DATABASE = "template1"  # `postgres` is ours


@dataclass(frozen=True, slots=True)
class EmbeddedDatabase(Postgres):
    """`directory` is the folder of the server."""

    directory: Path = Path()

    def _to(self, database: str) -> str:
        quoted = database.replace("\\", "\\\\").replace("'", "\\'")
        return f"user={USER} port={self.port} dbname='{quoted}'"

    def _program(self, name: str) -> str:
        return str(find_binaries() / name)

    def _run(self, *command: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> str:
        words = [self._program(command[0]), *command[1:]]

        async def beside_a_server() -> str:
            async with database_for_command(self.directory) as dsn:
                (sockets,) = parse_qs(urlsplit(dsn).query)["host"]
                return await asyncio.to_thread(programs.run, words, stdin=stdin, stdout=stdout, PGHOST=sockets)

        try:
            return run(beside_a_server())
        except EmbeddedError as problem:
            raise Failure(f"the embedded database: {problem}") from problem


def embedded_of(directory: Path) -> EmbeddedDatabase:
    """The way to the embedded database in `directory`. Failure if this version brings another major PostgreSQL."""
    written_by = directory / "pg/PG_VERSION"
    if not written_by.exists():
        raise Failure(f"there is no embedded database in {directory}: name its [state] directory in the configuration")
    found, brought = written_by.read_text(encoding="utf-8").strip(), major_version(find_binaries())
    if found != str(brought):
        raise Failure(
            f"the database in {directory} is of PostgreSQL {found}, and this version brings {brought}: dump it with the"
            " old version, and restore the dump with this one into a new [state] directory (docs/install.md)"
        )
    return EmbeddedDatabase(DATABASE, PORT, admin_database=FREE_DATABASE, directory=directory)
