"""The bytes of a file that is to be imported, as often as they are wanted.

A file is read twice. What can be read only once (a pipe, `<(…)`, standard input) is kept on disk meanwhile. What is
compressed or in UTF-16 is read as it is, whatever its name says; what is no text at all is called by its name.
"""

import gzip
import io
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from shutil import copyfileobj
from typing import IO, Any

from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.output.error_output import Failure
from backfilld.domain.entities.byte_kinds import GZIP, HEAD_BYTES, Kind, kind_of

STANDARD_INPUT = "-"
_PIECE = 256 * 1024


class Input:
    """A file that can be read again and again. Use as a context manager; leaving it removes what was kept."""

    def __init__(self, path: Path) -> None:
        self.name = "standard input" if str(path) == STANDARD_INPUT else str(path)
        self._path = path
        self._kept: IO[bytes] | None = None
        self._state: tuple[int, int, int] | None = None

    def __enter__(self) -> "Input":
        if str(self._path) == STANDARD_INPUT:
            self._keep(sys.stdin.buffer)
        elif not stat.S_ISREG(os.stat(self._path).st_mode):
            with self._path.open("rb") as once:
                self._keep(once)
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept is not None:
            self._kept.close()

    @property
    def has_name(self) -> bool:
        """Whether it is a file whose name may say what it is."""
        return self._kept is None

    @property
    def suffix(self) -> str:
        """The end of its name in lower case, without `.gz`."""
        name = PurePath(self._path.name.lower())
        return PurePath(name.stem).suffix if name.suffix == ".gz" else name.suffix

    @contextmanager
    def content(self) -> Iterator[IO[bytes]]:
        """Its content, unpacked. Failure if that is no text, or damaged."""
        try:
            with self._opened() as raw, _unpacked(raw) as file:
                yield file
        except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
            raise Failure(f"{self.name} is not a whole gzip file: {problem}") from problem

    @contextmanager
    def text(self, notes: Notes) -> Iterator[IO[str]]:
        """Its content as text, line ends as they are; bytes that are not UTF-8 as lone surrogates."""
        with self.content() as file:
            kind = self._text_kind(file)
            encoding = (kind and kind.encoding) or "utf-8-sig"
            if kind is not None:
                notes.fact(f"the file is {kind.name}, and was read as such")
            try:
                yield io.TextIOWrapper(file, encoding=encoding, errors=_errors(encoding), newline="")
            except UnicodeDecodeError as problem:
                raise Failure(f"{self.name} is not whole {encoding}: {problem.reason}; save it as UTF-8") from problem

    @contextmanager
    def lines(self, notes: Notes, longest: int) -> Iterator[Iterator[bytes]]:
        """Its lines in UTF-8; of one beyond `longest` bytes only the beginning is given, and nothing behind it."""
        with self.content() as file:
            if self._text_kind(file) is None:
                yield _bounded(file, longest)
                return
        with self.text(notes) as text:
            yield (line.encode("utf-8", "surrogatepass") for line in _bounded(text, longest))

    def require_unchanged(self, first: int, now: int) -> None:
        """Failure if the file has `now` other records than the `first` time, or was written to meanwhile."""
        written_to = self._kept is None and self._state != self._look(os.stat(self._path))
        if first != now or written_to:
            counts = f" ({first:,} records the first time, {now:,} now)" if first != now else ""
            raise Failure(
                f"{self.name} changed while it was read{counts}; nothing was stored."
                " Import it again when nobody writes to it"
            )

    def _text_kind(self, file: IO[bytes]) -> Kind | None:
        head = _peek(file)
        kind = kind_of(head)
        if kind is not None and kind.encoding is None:
            raise Failure(f"{self.name} is {kind.name}; {kind.advice}")
        return kind

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if self._kept is not None:
            self._kept.seek(0)
            yield self._kept
            return
        with self._path.open("rb") as file:
            self._state = self._state or self._look(os.fstat(file.fileno()))
            yield file

    @staticmethod
    def _look(found: os.stat_result) -> tuple[int, int, int]:
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _keep(self, once: IO[bytes]) -> None:
        self._kept = tempfile.TemporaryFile(prefix="backfilld-import-")  # noqa: SIM115 - closed by __exit__
        copyfileobj(once, self._kept, _PIECE)


@contextmanager
def _unpacked(raw: IO[bytes]) -> Iterator[Any]:
    head = raw.read(HEAD_BYTES)
    raw.seek(0)
    if kind_of(head) is GZIP:
        with gzip.open(raw, "rb") as file:
            yield file
    else:
        yield io.BufferedReader(_Shared(raw), _PIECE)


class _Shared(io.RawIOBase):
    """A file that stays open when its reader is thrown away."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _peek(file: Any) -> bytes:
    return bytes(file.peek(HEAD_BYTES)[:HEAD_BYTES])


def _errors(encoding: str) -> str:
    # a byte that is not UTF-8 is then found in its cell, and told with its line and column
    return "surrogateescape" if encoding == "utf-8-sig" else "strict"


def _bounded(file: IO[Any], longest: int) -> Iterator[Any]:
    while line := file.readline(longest + 1):
        yield line
        if len(line) > longest:
            return
