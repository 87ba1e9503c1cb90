"""`backfilld entities …`: records into the built-in entity store, over HTTP."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.entities import records
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import number, print_json, print_table, print_warnings
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup
from backfilld.domain.entities.records import FieldType

if TYPE_CHECKING:
    from backfilld.cli.entities.import_entities import Reading
    from backfilld.cli.entities.imports import Lines
    from backfilld.client import Answer

TYPES = "string, number, integer, boolean or date"


@click.group("entities", cls=WholeGroup)
def group() -> None:
    """Load records into the built-in entity store, and look at them."""


group.add_command(records.types)
group.add_command(records.list_)
group.add_command(records.show)
group.add_command(records.delete)


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--entity-type", required=True, help="What the records are: ticket, company, contact, …")
@click.option("--id-column", default="id", show_default=True, help="The field that holds the id.")
@click.option("--type", "types", multiple=True, metavar="FIELD=TYPE", help=f"{TYPES}. Repeatable; else it is guessed.")
@click.option("--timezone", help="IANA name, of times without an offset.  [default: UTC]")
@click.option("--updated-at-column", help="The field that tells when a record last changed.")
@click.option("--null", "nulls", multiple=True, metavar="TEXT", help="A cell of this text is missing. Repeatable.")
@click.option(
    "--repeats-as-lists", is_flag=True, help="Columns of the same name become one list; else they are refused."
)
@click.option("--flat-columns", is_flag=True, help="A dot in the name of a column makes no object of it.")
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="FIELD=NAME_VALUE",
    help="A list of pairs becomes an object, as userDefinedFields=name_value, customFields=caption_value. Repeatable.",
)
@click.option("--replace", is_flag=True, help="Remove whatever else there is of this type.")
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "tsv", "jsonl"]), help="Default: by the file's name."
)
@click.option("--delimiter", help="Of a CSV. Default: found out from its first lines.")
@click.option("--dry-run", is_flag=True, help="Show the types and check the file; store nothing.")
@json_option
@server_options
def import_(
    server: Server,
    as_json: bool,
    file: Path,
    entity_type: str,
    replace: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Load FILE (CSV, TSV or JSON lines; `-` is standard input): all of it, or nothing if anything is wrong with it.

    Types are shown before loading and kept as the known fields of the entity type; filters compare accordingly.
    """
    from dataclasses import replace as changed

    from backfilld.cli.entities.import_input import Input
    from backfilld.cli.entities.imports import Lines, survey
    from backfilld.domain.windows.zone_hints import zone_warnings

    reading = _reading(options)
    with Input(file) as source:
        surveyed = survey(source, reading)
        reading = changed(reading, types=surveyed.types)
        if not as_json:
            _show_types(reading, options["types"])
        lines = Lines(source, reading, surveyed, remembers_ids=dry_run)
        pieces = _Pieces(lines, shows_progress=sys.stderr.isatty())
        warnings: tuple[str, ...] = ()
        if dry_run:
            for _ in pieces:
                pass
            answer_data: dict[str, Any] = {"records": lines.records}
            warnings = tuple(lines.remarks())
        else:
            answer = run(_upload(server, entity_type, pieces, replace, reading))
            answer_data, warnings = answer.data, answer.warnings
    if as_json:
        print_json(answer_data)
    else:
        click.echo(", ".join(f"{number(count)} {what}" for what, count in answer_data.items()))
    said = zone_warnings(options["timezone"] or "")
    print_warnings([*said, *lines.notes.sentences(), *warnings])


async def _upload(server: Server, entity_type: str, pieces: "_Pieces", replace: bool, reading: "Reading") -> "Answer":
    async with server.client() as client:
        # Who is refused while he is still sending is hung up on, and never hears why. So nothing is sent first.
        await client.put_entities(entity_type, [])
        try:
            return await client.upload_entities(entity_type, pieces.sent(), replace=replace, field_types=reading.types)
        except Exception:
            if pieces.fault is not None:  # the upload was broken off because of it
                raise pieces.fault from None
            raise


class _Pieces:
    """The file's pieces on their way out; a bar tells on a terminal how many records.

    `fault` is what is wrong with the file, once that is known: whoever sends the pieces only sees that they end.
    """

    def __init__(self, lines: "Lines", *, shows_progress: bool) -> None:
        self._lines = lines
        self._shows_progress = shows_progress
        self.fault: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._lines:
            if self._shows_progress:
                click.echo(f"\r{number(self._lines.records)} records", err=True, nl=False)
            yield piece
        if self._shows_progress:
            click.echo(err=True)

    async def sent(self) -> AsyncIterator[bytes]:
        try:
            for piece in self:
                yield piece
        except Exception as fault:
            self.fault = fault
            raise


def _reading(options: dict[str, Any]) -> "Reading":
    from backfilld.cli.entities.import_entities import Reading
    from backfilld.cli.entities.import_records import Layout
    from backfilld.domain.errors import Fault
    from backfilld.domain.windows.timezones import parse_zone

    zone = parse_zone(options["timezone"], "") if options["timezone"] else None
    if isinstance(zone, Fault):
        raise click.BadParameter(zone.message, param_hint="--timezone")
    layout = Layout(
        id_column=_field(options["id_column"], "--id-column"),
        format=options["file_format"],
        delimiter=_delimiter(options["delimiter"]),
        nulls=frozenset(options["nulls"]),
        repeats_as_lists=options["repeats_as_lists"],
        flat=options["flat_columns"],
        lists=_read_lists(options["lists"]),
    )
    updated_at_column = options["updated_at_column"] and _field(options["updated_at_column"], "--updated-at-column")
    return Reading(layout, _read_types(options["types"]), zone, updated_at_column)


def _delimiter(written: str | None) -> str | None:
    delimiter = {"\\t": "\t", "tab": "\t"}.get(written or "", written)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"'):
        raise click.BadParameter(f"{written!r} is not one character (a tab: \\t)", param_hint="--delimiter")
    return delimiter


def _read_types(written: tuple[str, ...]) -> dict[str, FieldType]:
    from backfilld.domain.errors import did_you_mean
    from backfilld.domain.imports import FIELD_TYPES

    types: dict[str, FieldType] = {}
    for text in written:
        name, equals, wanted = text.rpartition("=")
        found = next((type for type in FIELD_TYPES if type == wanted), None)
        if not equals or found is None:
            near = did_you_mean(wanted, FIELD_TYPES) if equals else ""
            raise click.BadParameter(f"{text!r} is not FIELD=TYPE, with a type of {TYPES}{near}", param_hint="--type")
        types[_field(name, "--type")] = found
    return types


def _read_lists(written: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    from backfilld.domain.entities.pair_lists import parse_members
    from backfilld.domain.filters import parse_path

    lists = {}
    with _refused("--list"):
        for text in written:
            name, equals, members = text.rpartition("=")
            if not equals:
                raise ValueError(f"{text!r} is not FIELD=NAME_VALUE, such as userDefinedFields=name_value")
            lists[parse_path(name)] = parse_members(members)
    return lists


def _field(name: str, option: str) -> str:
    """A field as filters spell it."""
    from backfilld.domain.filters import parse_path, spell

    with _refused(option, name):
        return spell(parse_path(name))


@contextmanager
def _refused(option: str, name: str | None = None) -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        message = str(problem) if name is None else f"{name!r}: {problem}"
        raise click.BadParameter(message, param_hint=option) from None


def _show_types(reading: "Reading", given: tuple[str, ...]) -> None:
    said = {text.rpartition("=")[0] for text in given}
    rows = [(name, type, "as given" if name in said else "guessed") for name, type in sorted(reading.types.items())]
    print_table(("FIELD", "TYPE", ""), rows, empty="No fields.")
    click.echo()


@group.command("fields")
@click.argument("entity_type")
@json_option
@server_options
def fields(server: Server, as_json: bool, entity_type: str) -> None:
    """See which fields the records of a type have, from a sample: kinds, share, and values that are common."""

    async def ask() -> "Answer":
        async with server.client() as client:
            return await client.list_fields(entity_type)

    answer = run(ask())
    print_warnings(answer.warnings)
    if as_json:
        print_json(answer.data)
        return
    rows = [
        (
            field["name"],
            ", ".join(field["kinds"]) or field["configured"],
            f"{100 * field['share']:.0f}%",
            ", ".join(_value(one) for one in field["values"] or ()),
        )
        for field in answer.data["fields"]
    ]
    print_table(("FIELD", "KIND", "HAVE IT", "COMMON VALUES"), rows, empty="No fields: there are no records.")


def _value(told: dict[str, Any]) -> str:
    """A value, with what it stands for."""
    return f"{told['value']} {told['label']}" if told.get("label") else str(told["value"])
