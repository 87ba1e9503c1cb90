"""Lists of ids are read as they are meant, and what is no list of ids is noticed."""

import gzip
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from backfilld.cli.entities.id_files import read_ids
from backfilld.domain.errors import Invalid


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "ids.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "T-1\nT-2\n",
        "\ufeffT-1\r\n T-2 \r\n\r\n",
        "T-1\u00a0\n\u200bT-2",
        "T-1\nT-2\n".encode("utf-16"),
        gzip.compress(b"T-1\nT-2\n"),
    ],
)
def test_one_id_a_line(file: Callable[..., Path], content: str | bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert ["T-1", "T-2"] == read_ids(file(content))
    assert "Warning: the first line" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.csv", "Key,Title\nT-1,a\nT-2,b\n"),
        ("ids.txt", 'Key;Title\n T-1;"a;b"\nT-2;c\n'),
        ("ids.txt", '"Key"\n"T-1"\n"T-2"\n'),
        ("ids.jsonl", '{"Key": "T-1", "n": 1}\n{"Key": "T-2"}\n'),
        ("ids.txt", '{"Key": "T-1"}\n{"Key": "T-2"}\n'),
    ],
)
def test_ids_may_stand_in_a_column_that_is_named(file: Callable[..., Path], name: str, content: str) -> None:
    assert ["T-1", "T-2"] == read_ids(file(content, name), "Key")


def test_ids_that_are_numbers_are_texts(file: Callable[..., Path]) -> None:
    assert ["7", "8"] == read_ids(file('{"id": 7}\n{"id": "8", "attributes": {}}\n', "x.jsonl"), "id")
    assert ["007"] == read_ids(file("id,n\n007,1\n", "x.csv"), "id")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,name\n1,a\n2,b\n", "is a table with the columns 'id', 'name'"),
        ("id;name\n1;a\n", "is a table with the columns 'id', 'name'"),
        ("1\ta\n2\tb\n", "is a table with the columns '1', 'a'"),
        ('"T-1"\n"T-2"\n', "every line stands in quotes"),
        ('{"id": 1}\n{"id": 2}\n', "holds JSON lines"),
    ],
)
def test_a_table_is_no_list_of_ids(file: Callable[..., Path], content: str, said: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        read_ids(file(content))

    assert said in refused.value.message
    assert "--id-column" in refused.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id\n1\n2\n", "the first line of"),
        ("ticket_number\n1\n2\n", "the first line of"),
        ("ticketId\n1\n2\n", "the first line of"),
        ("1,2,3\n", "one line with commas"),
    ],
)
def test_what_may_be_no_id_is_told(
    file: Callable[..., Path], content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    read_ids(file(content))

    assert said in capsys.readouterr().err


@pytest.mark.parametrize("content", ["T-1\nT-2\n", "android\n7\n", "a-id\nb-id\n", "a,b\nc\nd\n"])
def test_usual_ids_pass_without_a_word(
    file: Callable[..., Path], content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    read_ids(file(content))

    assert "" == capsys.readouterr().err


def test_rows_without_an_id_are_counted(file: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert ["1"] == read_ids(file("id,n\n1,a\n,b\n"), "id")
    assert "lines without an id were passed over: 1 (at /3)" in capsys.readouterr().err


def test_a_column_that_is_not_there_is_answered_with_those_that_are(file: Callable[..., Path]) -> None:
    with pytest.raises(click.BadParameter, match=r"did you mean 'Key'\?; its columns are 'Key', 'n'"):
        read_ids(file("Key,n\n1,2\n"), "Kay")
    with pytest.raises(Invalid, match="has 1 cells"):
        read_ids(file("Key,n\n1\n"), "Key")


def test_a_file_without_ids_is_refused(file: Callable[..., Path]) -> None:
    with pytest.raises(click.UsageError, match="holds no ids"):
        read_ids(file("\n \n"))
