"""Every query has a name of its own, and somebody who uses it."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import backfilld
from backfilld.store.connection.queries import Queries, split

SOURCES = Path(backfilld.__file__).parent
TWO = """\
-- What this file is about.

-- name: first
-- Why it is so.
-- $1 what
SELECT $1;

-- name: second
SELECT 2
"""


def test_a_file_is_cut_at_its_name_lines_and_comments_stay():
    queries = Queries("x.sql", TWO)

    assert ("first", "second") == queries.names()
    assert "-- name: first\n-- Why it is so.\n-- $1 what\nSELECT $1" == queries.first
    assert "-- name: second\nSELECT 2" == queries.second


def test_what_statements_share_stands_in_each_of_them():
    shared, marker = "-- part: columns\na,\nb\n", "/* part: columns */"
    text = f"{shared}-- name: one\nSELECT {marker} FROM x;\n-- name: two\nSELECT {marker}"

    assert {
        "one": "-- name: one\nSELECT a,\nb FROM x",
        "two": "-- name: two\nSELECT a,\nb",
    } == split("x.sql", text)


def test_an_unknown_name_says_which_file_lacks_it():
    with pytest.raises(AttributeError, match=r"x\.sql has no query named 'third'"):
        _ = Queries("x.sql", TWO).third


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "two queries are named 'a'"),
        ("SELECT 1;\n-- name: a\nSELECT 2", "before the first"),
        ("-- name: a-b\nSELECT 2", "cannot be the name"),
        ("-- name: names\nSELECT 2", "cannot be the name"),
        ("-- part: a\nx\n-- name: a\nSELECT 2", "two queries are named 'a'"),
        ("-- part: a\nx\n-- name: b\nSELECT /* part: c */", "no part named 'c'"),
        ("-- part: a\nx /* part: a */\n-- name: b\nSELECT /* part: a */", "a part holds itself"),
    ],
)
def test_a_malformed_file_fails_when_it_is_loaded(text, message):
    with pytest.raises(ValueError, match=message):
        split("x.sql", text)


def used_queries() -> dict[Path, set[str]]:
    """For every loaded file the names that are read off it, where it is loaded or where that variable is imported."""
    texts = {module_name(file): file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py")}
    loading = {module for module, text in texts.items() if " = load(" in text}
    modules = {
        module: ast.parse(text)
        for module, text in texts.items()
        if module in loading or any(f"from {one} import" in text for one in loading)
    }
    loaded = {(module, variable): file for module, tree in modules.items() for variable, file in loads(tree)}
    used: dict[Path, set[str]] = defaultdict(set)
    for module, tree in modules.items():
        here = {variable: file for (owner, variable), file in loaded.items() if owner == module}
        here |= {local: loaded[origin] for local, origin in imports(tree) if origin in loaded}
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(ast.Name(variable), name) if variable in here:
                    used[here[variable]].add(name)
    return used


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(SOURCES.parent).with_suffix("").parts)


def loads(tree: ast.Module) -> Iterator[tuple[str, Path]]:
    """Each `variable = load("store"[, "package"])`, as (variable, file)."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign([ast.Name(variable)], ast.Call(ast.Name("load"), [ast.Constant(store), *package])):
                dotted = package[0].value if package else "backfilld.store"
                yield variable, SOURCES.parent.joinpath(*dotted.split("."), store.replace(".", "/") + ".sql")


def imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each `from module import name [as local]`, as (local, (module, name))."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, (node.module, alias.name)) for alias in node.names)


FILES = sorted(file for file in SOURCES.rglob("*.sql") if "migrations" not in file.parts)


def test_there_are_queries_to_look_at():
    assert FILES


def test_each_query_is_used_and_each_used_one_is_there():
    written = {file: set(Queries(file.name, file.read_text(encoding="utf-8")).names()) for file in FILES}

    assert written == used_queries()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
async def test_each_query_means_something_to_the_database(file, pool):
    queries = Queries(file.name, file.read_text(encoding="utf-8"))
    texts = [getattr(queries, name) for name in queries.names()]
    async with pool.acquire() as connection, connection.transaction():
        for text in texts:
            if "CREATE TEMPORARY TABLE" in text:  # the others of its file may speak of it
                await connection.execute(text)
        for text in texts:
            await connection.prepare(text)
