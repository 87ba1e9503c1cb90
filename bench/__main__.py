"""The comparison, whole: `make bench`, or `python -m bench [--quick] [--rounds N] [--continue] [--only NAME …]`.

Bounded in time: what is left when the budget is spent is not begun, and the table says so. What was measured is kept at
once; after an interruption `--continue` goes on.
"""

import argparse
import asyncio
import compileall
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

import backfilld
from backfilld.clock import SystemClock
from backfilld.logs import configure_logging
from bench.comparison import MEASURES, Comparison, tell
from bench.contenders import Peers
from bench.figures import report
from bench.figures.build import slug
from bench.figures.gates import figures
from bench.figures.notebook import Notebook
from bench.figures.table import figures_table
from bench.plan import FULL, QUICK, Scale
from bench.postgres import running_postgres
from bench.setting import Setting
from bench.stock import Stock
from bench.target import target

CACHE = Path(__file__).parent / ".cache" / slug()  # figures of two interpreters do not belong together
BUDGET_SECONDS = 17 * 60.0  # what has begun goes on, and docs/scaling.md is measured afterwards


@asynccontextmanager
async def prepared(scale: Scale, *, with_peers: bool = True) -> AsyncIterator[Setting]:
    """Server, target and folders; all of it is gone at the end."""
    # As whoever installs a package has it done: nobody compiles the program at each start.
    compileall.compile_dir(Path(backfilld.__file__).parent, quiet=1)
    peers = Peers(CACHE)
    if with_peers:
        peers.set_up()
    with tempfile.TemporaryDirectory(prefix="bd-", dir="/var/tmp") as name:  # a disk, where /tmp may be memory
        os.chmod(name, 0o755)  # noqa: S103 - PostgreSQL may run as somebody else
        folder = Path(name)
        async with running_postgres(folder) as postgres, target() as running:
            yield Setting(postgres, Stock(postgres), running, folder, CACHE, peers, scale)


async def compare(scale: Scale, book: Notebook, budget_seconds: float, only: Sequence[str] = ()) -> str:
    """Measure everything, or `only` these of the measures; the version of the server."""
    async with prepared(scale, with_peers=not only) as setting:
        comparison = Comparison(setting, book, budget_seconds)
        await (comparison.measure(only) if only else comparison.run())
        connection = await asyncpg.connect(setting.postgres.dsn_of("postgres"))
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no daemon may be left behind
    options = _options()
    configure_logging("critical")
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    CACHE.mkdir(parents=True, exist_ok=True)
    notes = CACHE / ("quick.jsonl" if options.quick else "full.jsonl")
    if not options.go_on:
        notes.unlink(missing_ok=True)
    book = Notebook.opened(notes)
    version = asyncio.run(compare(scale, book, options.budget, options.only))
    kind = f"{scale.rounds} rounds" + (", small sizes for a short look" if options.quick else "")
    facts = report.about(SystemClock().now(), version, os.cpu_count() or 0, kind)
    print(report.markdown(book, facts))
    if options.page and not options.only:
        report.save(book, facts)
    failed = report.missed(figures(book))
    if failed:
        tell("missed gates:\n" + figures_table(failed))
    sys.exit(1 if book.troubles else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare backfilld with peers and limits.")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a short look")
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    parser.add_argument("--continue", dest="go_on", action="store_true", help="go on where it was interrupted")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=(), help="these alone; writes nothing")
    parser.add_argument("--no-page", dest="page", action="store_false", help="write neither results nor docs")
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS, help="begin nothing after so many seconds")
    return parser.parse_args()


if __name__ == "__main__":
    main()
