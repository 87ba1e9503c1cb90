"""`backfilld entities …`: records into the built-in entity store, over HTTP."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import number, print_json, print_table
from backfilld.cli.running import run
from backfilld.domain.entities.records import FieldType

if TYPE_CHECKING:
    from backfilld.cli.entities.imports import Reading
    from backfilld.client import Answer

TYPES = "string, number, integer, boolean or date"


@click.group("entities")
def group() -> None:
    """Load records into the built-in entity store."""


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--entity-type", required=True, help="What the records are: ticket, company, contact, …")
@click.option("--id-column", default="id", show_default=True, help="The field that holds the id.")
@click.option("--type", "types", multiple=True, metavar="FIELD=TYPE", help=f"{TYPES}. Repeatable; else it is guessed.")
@click.option("--timezone", default="UTC", show_default=True, help="IANA name, of times without an offset.")
@click.option("--updated-at-column", help="The field that tells when a record last changed.")
@click.option("--replace", is_flag=True, help="Remove whatever else there is of this type.")
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "tsv", "jsonl"]), help="Default: by the file's name."
)
@click.option("--delimiter", help="Of a CSV. Default: found out from its first line.")
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
    """Load FILE (CSV, TSV or JSON lines): all of it, or nothing if anything is wrong with it.

    Types are shown before loading and kept as the known fields of the entity type; filters compare accordingly.
    """
    from dataclasses import replace as changed

    from backfilld.cli.entities.imports import guess_types, read_file

    reading = _reading(options)
    reading = changed(reading, types=guess_types(file, reading))
    if not as_json:
        _show_types(reading, options["types"])
    pieces = _Pieces(read_file(file, reading), shows_progress=sys.stderr.isatty())
    if dry_run:
        for _ in pieces:
            pass
        answer_data: dict[str, Any] = {"records": pieces.records}
    else:
        answer_data = run(_upload(server, entity_type, pieces, replace, reading)).data
    if as_json:
        print_json(answer_data)
    else:
        click.echo(", ".join(f"{number(count)} {what}" for what, count in answer_data.items()))


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
    """The file's pieces on their way out, counted; a bar tells so on a terminal.

    `fault` is what is wrong with the file, once that is known: whoever sends the pieces only sees that they end.
    """

    def __init__(self, pieces: Iterator[bytes], *, shows_progress: bool) -> None:
        self._pieces = pieces
        self._shows_progress = shows_progress
        self.records = 0
        self.fault: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.records += piece.count(b"\n")
            if self._shows_progress:
                click.echo(f"\r{number(self.records)} records", err=True, nl=False)
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
    from backfilld.cli.entities.imports import Reading
    from backfilld.domain.errors import Fault
    from backfilld.domain.windows.timezones import parse_zone

    zone = parse_zone(options["timezone"], "")
    if isinstance(zone, Fault):
        raise click.BadParameter(zone.message, param_hint="--timezone")
    return Reading(
        id_column=_field(options["id_column"], "--id-column"),
        types=_read_types(options["types"]),
        zone=zone,
        updated_at_column=options["updated_at_column"] and _field(options["updated_at_column"], "--updated-at-column"),
        format=options["file_format"],
        delimiter=options["delimiter"],
    )


def _read_types(written: tuple[str, ...]) -> dict[str, FieldType]:
    from backfilld.domain.entities.imports import FIELD_TYPES
    from backfilld.domain.errors import did_you_mean

    types: dict[str, FieldType] = {}
    for text in written:
        name, equals, wanted = text.rpartition("=")
        found = next((type for type in FIELD_TYPES if type == wanted), None)
        if not equals or found is None:
            near = did_you_mean(wanted, FIELD_TYPES) if equals else ""
            raise click.BadParameter(f"{text!r} is not FIELD=TYPE, with a type of {TYPES}{near}", param_hint="--type")
        types[_field(name, "--type")] = found
    return types


def _field(name: str, option: str) -> str:
    """A field as filters spell it."""
    from backfilld.domain.filters import parse_path, spell

    try:
        return spell(parse_path(name))
    except ValueError as problem:
        raise click.BadParameter(f"{name!r}: {problem}", param_hint=option) from None


def _show_types(reading: "Reading", given: tuple[str, ...]) -> None:
    said = {text.rpartition("=")[0] for text in given}
    rows = [(name, type, "as given" if name in said else "guessed") for name, type in sorted(reading.types.items())]
    print_table(("FIELD", "TYPE", ""), rows, empty="No fields.")
    click.echo()
