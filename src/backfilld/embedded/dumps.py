"""The embedded database as one file, and back.

PostgreSQL's own programs do it, from the folder of the server's binaries: nobody who lets us run a database should
have to find out which `pg_dump` fits it. A dump is of one instant, also while the daemon works; a restored database is
there as a whole or not at all.
"""

import asyncio
import errno
import os
import shlex
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path

from backfilld.embedded.binaries import find_binaries
from backfilld.embedded.errors import EmbeddedError

LAST_WORDS = 600


class DumpFailed(EmbeddedError):
    """The message ends with what PostgreSQL's program said."""


async def dump(dsn: str, file: Path | None) -> None:
    """Write the database at `dsn` to `file`, which is there as a whole or not at all (None: to stdout)."""
    command = [_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", f"--dbname={dsn}"]
    if file is None:
        await _run(command)
        return
    if is_device(file):
        with file.open("wb") as out:
            await _ended_well(await _start(command, stdout=out.fileno()), "pg_dump")
        return
    unfinished = file.with_name(f"{file.name}.unfinished")
    with suppress(FileNotFoundError):
        unfinished.unlink()
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it holds whatever the daemon knows
    try:
        await _run([*command, f"--file={unfinished}"])
        unfinished.replace(file)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


async def restore(dsn: str, file: Path, *, then: str) -> None:
    """Fill the empty database at `dsn` from `file` and execute `then`, all in one transaction."""
    reading, writing = os.pipe()
    load = [_program("psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    try:
        loader = await _start([*load, "--output=/dev/null", f"--dbname={dsn}"], stdin=reading)
    finally:
        os.close(reading)
    try:
        reader = await _start(
            [_program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(file)], stdout=writing
        )
        await _ended_well(reader, "pg_restore")
        with suppress(BrokenPipeError):  # psql has given up, and says why
            os.write(writing, f"\n{then}\n".encode())
    except BaseException:
        loader.kill()  # at the end of its input it would commit
        await loader.wait()
        raise
    finally:
        os.close(writing)
    await _ended_well(loader, "psql")


def is_device(file: Path) -> bool:
    """True for what is written to and not replaced: a device, a pipe. FileNotFoundError names a missing folder."""
    if not file.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no folder", str(file.parent))
    return file.exists() and not file.is_file()


def _program(name: str) -> str:
    program = find_binaries() / name
    if not os.access(program, os.X_OK):
        raise EmbeddedError(f"there is no {name} beside the server in {program.parent}: install PostgreSQL's client")
    return str(program)


async def _run(command: list[str]) -> None:
    await _ended_well(await _start(command), Path(command[0]).name)


async def _start(command: list[str], *, stdin: int = DEVNULL, stdout: int | None = None) -> Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    return await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=stdout, stderr=PIPE, env=environment)


async def _ended_well(process: Process, name: str) -> None:
    _, said = await process.communicate()
    if process.returncode:
        words = said.decode(errors="replace").strip()
        raise DumpFailed(f"{shlex.quote(name)} ended with code {process.returncode}: {words[-LAST_WORDS:]}")
