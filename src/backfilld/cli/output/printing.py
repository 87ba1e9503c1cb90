"""How results look: JSON for programs, plain aligned text for people. Results go to stdout, remarks to stderr."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from backfilld.domain.windows.timezones import find_zone

SHORT_ID = 8
SPELLING = "%Y-%m-%d %H:%M:%S %z"  # of times
LEAST_ROOM = 20  # cells in which lines are broken


def print_json(document: Any) -> None:
    """One line of JSON, flushed at once, so that a pipe sees it."""
    click.echo(orjson.dumps(document, default=str))


def print_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing.") -> None:
    """Columns as wide as they must be; numbers to the right; `empty` instead of a table without rows.

    On a terminal it fits, and what is too long goes on below; elsewhere each row is one line, whole.
    """
    written = [[_cell(value) for value in row] for row in rows]
    if not written:
        click.echo(empty, err=True)
    elif sys.stdout.isatty():
        from backfilld.cli.output.fitted import print_fitted

        print_fitted(header, written)
    else:
        for line in whole_lines([list(header), *written]):
            click.echo(line)


def whole_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line each, in columns; the first is the header."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, cells)) for cells in columns]
    numeric = [all(_is_number(cell) for cell in cells[1:]) for cells in columns]
    for row in rows:
        cells = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        yield "  ".join(cells).rstrip()


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values beneath each other; what is None is left out. On a terminal long values go on below."""
    present = {name: value for name, value in fields.items() if value is not None}
    width = max((len(name) for name in present), default=0)
    for name, value in present.items():
        first, *more = [shown for line in str(value).split("\n") for shown in within(line, indent=width + 2)]
        click.echo(f"{name.ljust(width)}  {first}".rstrip())
        for line in more:
            click.echo(f"{' ' * width}  {line}".rstrip())


def print_prose(text: str, *, indent: int = 0) -> None:
    """A sentence or more; on a terminal broken between words, the lines behind the first indented."""
    first, *more = within(text, indent=indent)
    click.echo(first)
    for line in more:
        click.echo(f"{' ' * indent}{line.lstrip()}")


def within(line: str, *, indent: int) -> list[str]:
    """The line in as many as the terminal has room for behind `indent`; elsewhere whole."""
    room = shutil.get_terminal_size().columns - indent if sys.stdout.isatty() else 0
    if len(line) <= room or room < LEAST_ROOM:
        return [line]
    from backfilld.cli.output.wrapping import wrapped

    begun = line[: len(line) - len(line.lstrip())]
    return [begun + part for part in wrapped(line, room - len(begun))]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value)
    return " ".join(str(value).split())


def short_id(id: str) -> str:
    """The beginning of an id, where somebody reads it; the whole one, where a program may."""
    return id[:SHORT_ID] if sys.stdout.isatty() else id


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").replace(".", "", 1).isdigit()


def number(value: int | None) -> str:
    """`12,345`, or `?` for what is not known."""
    return "?" if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: the two largest units."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for unit, name, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def instant(text: str | None) -> datetime | None:
    """An instant of the API as a datetime."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def local(text: str | None, zone: str | None = None) -> str | None:
    """An instant of the API as clocks in `zone` show it (None: this machine's), with its offset; as it came, where no
    clock can."""
    try:
        when = instant(text)
        there = None if zone is None else find_zone(zone)
        return None if when is None else when.astimezone(there).strftime(SPELLING)
    except (OverflowError, ValueError):
        return text


def spelled(text: str | None) -> str | None:
    """A local time of the API in the same spelling, in its own offset."""
    try:
        return None if text is None else datetime.fromisoformat(text).strftime(SPELLING)
    except ValueError:
        return text


def beside(text: str | None, other: str, zone: str | None) -> str | None:
    """An instant of the API in `zone`. Where that is not known (None), or no name but an offset: in the offset of
    `other`, a local time that stands beside it."""
    try:
        there = (find_zone(zone) if zone else None) or datetime.fromisoformat(other).tzinfo
        return None if text is None else datetime.fromisoformat(text).astimezone(there).strftime(SPELLING)
    except (OverflowError, ValueError):
        return text


def compact(value: object) -> str | None:
    """JSON on one line, for a field of a page."""
    return None if value is None else orjson.dumps(value).decode()
