"""On which line of a TOML file each key stands; the parser does not tell."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.tree import Path

LONGEST_VALUE = 200  # lines; what is longer, and what stands behind it, has no line


def with_lines(faults: list[ConfigFault], file: str, text: str) -> list[ConfigFault]:
    """The faults of `file`, whose text is TOML, each with the line of its key, or of the table that lacks it."""
    if not any(fault.where == file and fault.key for fault in faults):
        return faults
    lines = lines_of(text)
    return [_with_line(fault, lines) if fault.where == file else fault for fault in faults]


def _with_line(fault: ConfigFault, lines: Mapping[str, int]) -> ConfigFault:
    key = fault.key
    while key:
        if key in lines:
            return ConfigFault(f"{fault.where}:{lines[key]}", fault.key, fault.message)
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return fault


def lines_of(text: str) -> dict[str, int]:
    """The line, counted from 1, of each table and key by its dotted name; of one that stands twice, the first."""
    found: dict[str, int] = {}
    entries: dict[Path, int] = {}  # of arrays of tables: how many there were
    here: Path = ()
    for number, statement in _statements(text.replace("\r\n", "\n").split("\n")):
        if statement.startswith("["):
            here = _table(statement, entries)
            paths = [here]
        else:
            paths = [(*here, *path) for path in _paths(tomllib.loads(statement))]
        for path in paths:
            for length in range(1, len(path) + 1):
                found.setdefault(dotted(path[:length]), number)
    return found


def _statements(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Each heading and each key with its value, which may go over several lines, with its first line's number."""
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line.startswith("#"):
            at += 1
            continue
        length = 1 if line.startswith("[") else _length(lines[at : at + LONGEST_VALUE])
        if not length:
            return
        yield at + 1, "\n".join([line, *lines[at + 1 : at + length]])
        at += length


def _length(lines: list[str]) -> int:
    """How many lines the statement has that begins with the first; 0: more than these."""
    for length in range(1, len(lines) + 1):
        try:
            tomllib.loads("\n".join(lines[:length]))
        except tomllib.TOMLDecodeError:
            continue
        return length
    return 0


def _table(heading: str, entries: dict[Path, int]) -> Path:
    """Where the keys below `heading` belong."""
    (names,) = _paths(tomllib.loads(heading))
    keys = [name for name in names if isinstance(name, str)]
    path: Path = ()
    for number, name in enumerate(keys, start=1):
        path = (*path, name)
        if heading.startswith("[[") and number == len(keys):
            entries[path] = entries.get(path, -1) + 1
        if path in entries:
            path = (*path, entries[path])
    return path


def _paths(value: Any) -> Iterator[Path]:
    """The way to everything inside that holds nothing further."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    is_empty = True
    for key, held in inside:
        is_empty = False
        for path in _paths(held):
            yield (key, *path)
    if is_empty:
        yield ()
