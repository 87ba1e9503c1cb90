"""How results look: JSON for programs, plain aligned text for people. Results go to stdout, remarks to stderr."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from backfilld.domain.windows.timezones import find_zone

SHORT_ID = 8


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
    rows = list(rows)
    if rows and sys.stdout.isatty():
        from backfilld.cli.output.fitted import print_fitted

        print_fitted(header, [[_cell(value) for value in row] for row in rows])
        return
    written = [[_cell(value) for value in row] for row in rows]
    if not written:
        click.echo(empty, err=True)
        return
    widths = [max(len(row[column]) for row in [list(header), *written]) for column in range(len(header))]
    numeric = [all(_is_number(row[column]) for row in written) for column in range(len(header))]
    for row in [list(header), *written]:
        cells = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values beneath each other; what is None is left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    width = max((len(name) for name in present), default=0)
    for name, value in present.items():
        first, *more = str(value).split("\n")
        click.echo(f"{name.ljust(width)}  {first}")
        for line in more:
            click.echo(f"{' ' * width}  {line}")


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
        return None if when is None else when.astimezone(there).strftime("%Y-%m-%d %H:%M:%S %z")
    except (OverflowError, ValueError):
        return text


def spelled(text: str | None) -> str | None:
    """A local time of the API in the same spelling, in its own offset."""
    try:
        return None if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return text


def compact(value: object) -> str | None:
    """JSON on one line, for a field of a page."""
    return None if value is None else orjson.dumps(value).decode()
