"""`backfilld backfills report`: the ledger as a file, which is there whole or not at all."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import click

from backfilld.cli.naming import backfill_argument
from backfilld.cli.options import Server, server_options
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand


@click.command("report", cls=WholeCommand)
@backfill_argument
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True, help="Of the file."
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(["pending", "in_flight", "retrying", "succeeded", "failed", "skipped", "cancelled"]),
    help="Repeatable.",
)
@click.option("--error-group", help="Only failures of this group, as `backfills errors --json` names it.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; without it, standard output.")
@server_options
def report(
    server: Server, id: str, format_: str, status: tuple[str, ...], error_group: str | None, output: Path | None
) -> None:
    """Get the ledger as CSV or JSON Lines. A FILE appears when it is whole; if the daemon is cut off, there is none."""

    async def fetch() -> None:
        async with server.client() as client:
            pieces = client.report(id, format=format_, status=list(status), error_group=error_group)
            if output is None:
                async for piece in pieces:
                    click.echo(piece, nl=False)
            else:
                await _save(pieces, output)

    run(fetch())


async def _save(pieces: AsyncIterator[bytes], output: Path) -> None:
    """Beside its place first, so that no part is ever taken for the whole; into a device or a pipe as it comes."""
    from backfilld.embedded.dumps import is_device

    if is_device(output):
        with output.open("wb") as device:
            async for piece in pieces:
                device.write(piece)
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as file:
            async for piece in pieces:
                file.write(piece)
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
