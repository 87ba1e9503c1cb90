"""Processes of backfilld that need not import it first: forked from one that has.

Two thirds of what a daemon's start costs is Python's imports, and tests start hundreds. So each run of tests has one
process that imports once what `backfilld serve` does, and makes the models ready that are otherwise made so when they
are first used; it is asked for a child, forks, and tells how the child ended.
The child is a process of its own, in a session of its own, and runs `python -m MODULE …` to the letter: it is killed,
frozen and waited for as any other. The first steps of README.md and the demo are tested with the installed program.
"""

import asyncio
import atexit
import importlib
import json
import os
import runpy
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from backfilld.cli.lean_start import lean_start

REPOSITORY = Path(__file__).parents[2]
LONGEST_REQUEST = 1 << 20
STANDARD = (0, 1, 2)
IMPORTED = (
    "uvloop",
    "backfilld.app",
    "backfilld.app.routes.every_route",
    "backfilld.cli.main",
    "backfilld.cli.serve",
    "backfilld.client",
)


# What tests use


@dataclass
class Child:
    """As asyncio's Process, as far as tests need it."""

    pid: int
    _told: int  # where its exit code comes from; closed once it has come
    _code: int | None = field(default=None, init=False)

    @property
    def returncode(self) -> int | None:
        """Negative: the signal that ended it. None while it runs."""
        if self._code is None:
            with suppress(BlockingIOError):
                said = os.read(self._told, 100)
                self._code = int(said) if said else -9  # no word: whoever could tell was killed as well
                os.close(self._told)
        return self._code

    async def wait(self) -> int:
        loop = asyncio.get_running_loop()
        while (code := self.returncode) is None:
            ended = asyncio.Event()
            loop.add_reader(self._told, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._told)
        return code


def start(
    module: str, *arguments: str, environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes] | None = None
) -> Child:
    """`python -m module arguments`, with nothing to read, in a session of its own."""
    said, tells = os.pipe()
    os.set_blocking(said, False)
    asked = {"module": module, "arguments": [*arguments], "environment": dict(environment), "folder": os.getcwd()}
    nursery = _nursery()
    try:
        socket.send_fds(nursery, [json.dumps(asked).encode()], [output.fileno(), (errors or output).fileno(), tells])
    finally:
        os.close(tells)
    return Child(int(nursery.recv(100)), said)


@cache
def _nursery() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())], cwd=REPOSITORY, pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# The process itself


def _serve(asks: socket.socket) -> dict[str, Any] | None:
    """Fork whenever asked. Returns what a child shall be, in the child; None when nobody can ask any more."""
    with selectors.DefaultSelector() as selector:
        selector.register(asks, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    _tell_how_it_ended(selector, key.fd, *key.data)
                    continue
                request, fds, _, _ = socket.recv_fds(asks, LONGEST_REQUEST, 3)
                if not request:
                    return None
                if (pid := os.fork()) == 0:
                    return json.loads(request) | {"output": fds[0], "errors": fds[1]}
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, fds[2]))
                for fd in fds[:2]:
                    os.close(fd)
                asks.send(str(pid).encode())


def _tell_how_it_ended(selector: selectors.BaseSelector, fd: int, pid: int, tells: int) -> None:
    selector.unregister(fd)
    os.close(fd)
    with suppress(BrokenPipeError):  # nobody waits for it
        os.write(tells, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os.close(tells)


def _become(child: Mapping[str, Any]) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, standard in zip((nothing, child["output"], child["errors"]), STANDARD, strict=True):
        os.dup2(fd, standard)
    os.closerange(len(STANDARD), 1 << 16)
    os.chdir(child["folder"])
    os.environ.clear()
    os.environ.update(child["environment"])
    sys.path[:0] = filter(None, child["environment"].get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["backfilld", *child["arguments"]]
    runpy.run_module(child["module"], run_name="__main__", alter_sys=True)


def _models(above: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """All of ours; a parameterized one may have been thrown away."""
    for model in above.__subclasses__():
        if model.__module__.startswith("backfilld.") and "[" not in model.__name__:
            yield model
        yield from _models(model)


def main() -> None:
    with lean_start():
        for module in IMPORTED:
            importlib.import_module(module)
        for model in _models():
            model.model_rebuild()
    with socket.socket(fileno=int(sys.argv[1])) as asks:
        child = _serve(asks)
        if child is not None:
            asks.detach()
    if child is not None:
        _become(child)


if __name__ == "__main__":
    main()
