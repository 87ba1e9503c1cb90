"""The database in the hands of its administrator: dumped to a file, restored beside itself, exchanged.

By PostgreSQL's own programs: as the user `postgres` where the server is on this machine, else by a DSN that the
operator names. No password ever stands in a list of processes.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from backfilld.cli.admin.upgrade import programs
from backfilld.cli.output.error_output import Failure
from backfilld.store.connection.address import hosts_of

PORT = 5432
LOCAL = (None, "", "localhost", "127.0.0.1", "::1")
OURS = "schema_migration"  # a dump without it is none of ours
QUIET = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")


_CREATE_LIKE = """
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
              :name, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
  FROM pg_database
 WHERE datname = :like"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """`name` is the database of the service; `admin_dsn` None: on this machine, as the user `postgres`."""

    name: str
    port: int
    admin_dsn: str | None = None
    admin_database: str = "postgres"  # any but ours, which is renamed

    def dump(self, file: Path) -> None:
        """Write the database to a new `file`, which is there as a whole, and verified, or not at all."""
        unfinished = file.with_name(f"{file.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        try:
            with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                self._run("pg_dump", "--format=custom", f"--dbname={self._to(self.name)}", stdout=out)
                os.fsync(out.fileno())
            self.verify(unfinished)
            os.link(unfinished, file)  # never over another one
        except FileExistsError as problem:
            raise Failure(f"{file} is there already, and dumps are never written over") from problem
        except OSError as problem:
            raise Failure(f"{file} cannot be written: {problem.strerror}") from problem
        finally:
            unfinished.unlink(missing_ok=True)

    def verify(self, file: Path) -> None:
        """Failure unless `file` is a dump of ours that can be read to its end."""
        if OURS not in programs.run([self._program("pg_restore"), "--list", str(file)]):
            raise Failure(f"{file} is no dump of this database: it has no table {OURS}")
        with open(os.devnull, "wb") as nowhere:
            programs.run([self._program("pg_restore"), "--file=-", str(file)], stdout=nowhere)

    def size(self) -> int:
        """Its bytes; of a dump it is more than the most."""
        return int(self.ask(f"SELECT pg_database_size({_text(self.name)})"))

    def restore_beside(self, file: Path, name: str, then: str = "") -> None:
        """Make the database `name` like ours, and fill it from `file`; gone again if that fails."""
        made = self.ask(_CREATE_LIKE.replace(":name", _text(name)).replace(":like", _text(self.name)))
        if not made.strip():
            raise Failure(f"there is no database {self.name}")
        self.ask(made.strip())
        try:
            with file.open("rb") as dump:
                self._run("pg_restore", "--exit-on-error", f"--dbname={self._to(name)}", stdin=dump)
            if then:
                self.ask(then, name)
            self.ask("ANALYZE", name)
        except BaseException:
            self.ask(f"DROP DATABASE IF EXISTS {_name(name)}")
            raise

    def exchange(self, name: str, kept_as: str) -> None:
        """Let the database `name` take the place of ours, which is kept as `kept_as`; both or neither."""
        self.ask(
            f"BEGIN; ALTER DATABASE {_name(self.name)} RENAME TO {_name(kept_as)};"
            f" ALTER DATABASE {_name(name)} RENAME TO {_name(self.name)}; COMMIT"
        )

    def replaced(self) -> list[str]:
        """The databases that ways back have put aside, oldest first."""
        names = self.ask("SELECT datname FROM pg_database ORDER BY datname").splitlines()
        ours = re.compile(rf"{re.escape(self.name)}_replaced_\d{{8}}t\d{{6}}z")
        return [name for name in names if ours.fullmatch(name)]

    def drop(self, name: str) -> None:
        self.ask(f"DROP DATABASE IF EXISTS {_name(name)}")

    def ask(self, sql: str, database: str | None = None) -> str:
        """What psql prints; asked of the administrator's database, unless another is named."""
        return self._run("psql", *QUIET, f"--dbname={self._to(database or self.admin_database)}", f"--command={sql}")

    def _program(self, name: str) -> str:
        return name

    def _to(self, database: str) -> str:
        if self.admin_dsn is None:
            quoted = database.replace("\\", "\\\\").replace("'", "\\'")
            return f"port={self.port} dbname='{quoted}'"
        parts = urlsplit(self.admin_dsn)
        user, _, host = parts.netloc.rpartition("@")
        bare = f"{user.partition(':')[0]}@{host}" if user else host  # the password goes another way
        return urlunsplit(parts._replace(netloc=bare, path=f"/{quote(database)}"))

    def _run(self, *command: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> str:
        if self.admin_dsn is None:
            return programs.run(["runuser", "-u", "postgres", "--", *command], stdin=stdin, stdout=stdout)
        password = unquote(urlsplit(self.admin_dsn).password or "")
        secret = {"PGPASSWORD": password} if password else {}
        return programs.run(command, stdin=stdin, stdout=stdout, **secret)


def postgres_of(dsn: str, admin_dsn: str | None) -> Postgres:
    """The way to the database of `dsn` as somebody who may make databases. Failure if it has to be named."""
    name = unquote(urlsplit(dsn).path.lstrip("/"))
    hosts = hosts_of(dsn)
    port = next((port for _, port in hosts if port), PORT)
    if admin_dsn is not None:
        return Postgres(name, port, admin_dsn)
    elsewhere = [host for host, _ in hosts if host.strip("[]") not in LOCAL]
    if elsewhere:
        raise Failure(
            f"the database is on {', '.join(elsewhere)}: name a DSN there that may make databases with --admin-dsn-file"
        )
    if os.geteuid() != 0:
        raise Failure("run this as root, which may become the user `postgres`; or use --admin-dsn-file")
    return Postgres(name, port)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
