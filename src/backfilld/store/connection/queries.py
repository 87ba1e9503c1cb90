"""The SQL of a store, by name.

Every store has its statements in a `.sql` file next door, so that a query can be read, explained and
reviewed as SQL. This module cuts such a file at its `-- name: x` lines; comments stay in what is sent,
so that `pg_stat_activity` shows the name of what is running. What several statements of a file share, a list of
columns, is written once under a `-- part: x` line, and stands in them as `/* part: x */`.
"""

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- (name|part): *(\S+) *$", re.MULTILINE)
_DEEPEST = 4  # parts in parts
_PART = re.compile(r"/\* part: (\w+) \*/")


class Queries:
    """The statements of one file as attributes: `queries.acquire_lease` is a string."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._texts = split(file, text)

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"{self._file} has no query named {name!r}") from None

    def names(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(self._texts)


def load(store: str, package: str = "backfilld.store") -> Queries:
    """The queries of `ledger/pages.sql` in `package`, for `ledger.pages`. One missing or malformed fails here."""
    file = store.replace(".", "/") + ".sql"
    return Queries(file, files(package).joinpath(file).read_text(encoding="utf-8"))


def split(file: str, text: str) -> dict[str, str]:
    """Name → statement with its name line and comments; ValueError for a name given twice or text before the first."""
    marks = list(_NAME.finditer(text))
    _require_comments_only(file, text[: marks[0].start()] if marks else text)
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    queries: dict[str, str] = {}
    parts: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=True):
        kind, name = mark[1], mark[2]
        if not name.isidentifier() or name.startswith("_") or name == "names":
            raise ValueError(f"{file}: {name!r} cannot be the name of a query")
        if name in queries or name in parts:
            raise ValueError(f"{file}: two queries are named {name!r}")
        if kind == "part":
            parts[name] = text[mark.end() : end].strip()
        else:
            queries[name] = text[mark.start() : end].strip().removesuffix(";")
    return {name: _whole(file, query, parts) for name, query in queries.items()}


def _whole(file: str, query: str, parts: Mapping[str, str]) -> str:
    for _ in range(_DEEPEST):
        try:
            query = _PART.sub(lambda mark: parts[mark[1]], query)
        except KeyError as missing:
            raise ValueError(f"{file}: there is no part named {missing}") from None
        if not _PART.search(query):
            return query
    raise ValueError(f"{file}: a part holds itself")


def _require_comments_only(file: str, text: str) -> None:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            raise ValueError(f"{file}: this stands before the first '-- name:' line: {line.strip()!r}")
