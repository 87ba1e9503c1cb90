"""`backfilld backfills progress`: how a backfill went, step by step."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import click

from backfilld.cli.naming import backfill_argument
from backfilld.cli.options import Server, json_option, server_options
from backfilld.cli.output.printing import local, number, print_json, print_table
from backfilld.cli.running import run
from backfilld.cli.whole import WholeCommand

HEADER = (
    "AT", "ENDED", "SUCCEEDED", "FAILED", "SKIPPED", "CANCELLED", "RETRYING", "IN FLIGHT", "CREDITS", "NOTHING STARTS"
)  # fmt: skip
ENDS = ("succeeded", "failed", "skipped", "cancelled")


@click.command("progress", cls=WholeCommand)
@backfill_argument
@click.option("--from", "from_", metavar="INSTANT", help="At or after, as 2027-03-01T06:00:00Z.  [default: the first]")
@click.option("--to", metavar="INSTANT", help="Before.  [default: up to now]")
@click.option("--step", type=click.IntRange(60, 7 * 86_400), metavar="SECONDS", help="From one line to the next.")
@json_option
@server_options
def progress(server: Server, as_json: bool, id: str, from_: str | None, to: str | None, step: int | None) -> None:
    """Tell how a backfill went, minute by minute: its counters, and why nothing was starting.

    ENDED is what ended since the line before; all other counters are from the beginning.
    """
    query = {name: value for name, value in (("from", from_), ("to", to), ("step", step)) if value is not None}

    async def ask() -> dict[str, Any]:
        async with server.client() as client:
            return (await client.list_progress(id, **query)).data

    data = run(ask())
    if as_json:
        print_json(data)
    else:
        print_table(HEADER, _rows(data["samples"]), empty="Nothing is known yet.")


def _rows(samples: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    for before, sample in pairwise([None, *samples]):
        assert sample is not None  # noqa: S101  # only the first stands for nothing
        ended = None if before is None else sum(sample[end] - before[end] for end in ENDS)
        counters = (number(sample[name]) for name in (*ENDS, "retrying", "in_flight"))
        yield local(sample["at"]), ended, *counters, f"{sample['credits']:,g}", sample["reason_code"]
