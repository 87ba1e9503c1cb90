"""The comparison, whole: `make bench`, or `python -m bench [--quick] [--rounds N] [--continue] [--no-page]`.

Bounded in time: what is left when the budget is spent is not begun, and the table says so. What was measured is kept at
once; after an interruption `--continue` goes on.
"""

import argparse
import asyncio
import compileall
import importlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

import backfilld
from backfilld.clock import SystemClock
from backfilld.logs import configure_logging
from bench import report
from bench.contenders import Peers, run_contender
from bench.judging import figures, quiet_rounds
from bench.measured import Run
from bench.notebook import Notebook
from bench.plan import FULL, QUICK, Scale, Step, one_round, rounds, sizes
from bench.postgres import running_postgres
from bench.project import OURS, SETTINGS, run_ours
from bench.setting import Setting
from bench.stock import Stock
from bench.table import figures_table
from bench.target import target
from bench.workloads import W2, Request, request_of

CACHE = Path(__file__).parent / ".cache"
MEASURES = ("recovery", "slow_disk", "answers", "idle", "planning", "points")
BUDGET_SECONDS = 19 * 60.0
ROUND_SECONDS = 60.0
FIRST_ITEMS = 100


class Comparison:
    """One pass over everything that is to be measured."""

    def __init__(self, setting: Setting, book: Notebook, budget_seconds: float) -> None:
        self._setting = setting
        self._book = book
        self._until = time.monotonic() + budget_seconds

    async def run(self) -> None:
        """The rounds first: the ratios stand on them. The shortest last: what has begun is not cut off."""
        request = await self._request()
        await self._steps(rounds(self._setting.scale), request)
        await self._steps(sizes(self._setting.scale), request)
        for name in MEASURES:
            await self._measure(name)
        await self._make_up(request)

    async def _make_up(self, request: Request) -> None:
        """More rounds for those that others disturbed, at most as many again, and only in what time is left."""
        scale = self._setting.scale
        for number in range(scale.rounds, 2 * scale.rounds):
            if quiet_rounds(self._book) >= scale.rounds or time.monotonic() > self._until - ROUND_SECONDS:
                return
            await self._steps(one_round(scale, number), request)

    async def _request(self) -> Request:
        """What our daemon sends; a first run warms everything up, and does not count."""
        await self._ours(Step(OURS, W2, FIRST_ITEMS, 0))
        return request_of((await self._setting.target.tally()).sample)

    async def _steps(self, steps: Iterable[Step], request: Request) -> None:
        for step in steps:
            name = f"{step.contender} {step.workload.name}, {step.items:,} items, round {step.round + 1}"
            if self._book.has(step.contender, step.workload.name, step.items, step.round) or self._is_late(name):
                continue
            try:
                run = await (self._ours(step) if step.contender in SETTINGS else self._other(step, request))
            except Exception as problem:
                self._book.trouble(f"{name}: {problem!r}")
                tell(f"{name}: {problem!r}")
            else:
                self._book.add(run)
                tell(f"{name}: {run.micros:,.1f} µs/item{'' if run.is_quiet else ' (others used the machine)'}")

    async def _ours(self, step: Step) -> Run:
        setting = self._setting
        return await run_ours(
            step.workload, step.items, step.round, postgres=setting.postgres, stock=setting.stock,
            target=setting.target, folder=setting.folder, contender=step.contender,
        )  # fmt: skip

    async def _other(self, step: Step, request: Request) -> Run:
        setting = self._setting
        return await run_contender(
            step.contender, step.workload, step.items, step.round, postgres=setting.postgres, target=setting.target,
            peers=setting.peers, request=request,
        )  # fmt: skip

    async def _measure(self, name: str) -> None:
        if name in self._book.findings or self._is_late(name):
            return
        try:
            finding = await importlib.import_module(f"bench.measures.{name}").measure(self._setting)
        except Exception as problem:
            self._book.trouble(f"{name}: {problem!r}")
            tell(f"{name}: {problem!r}")
        else:
            self._book.find(name, finding)
            tell(f"{name}: {finding}")

    def _is_late(self, name: str) -> bool:
        late = time.monotonic() > self._until
        if late:
            self._book.trouble(f"{name}: the time was up")
        return late


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


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


async def compare(scale: Scale, book: Notebook, budget_seconds: float) -> str:
    """Measure everything; the version of the server."""
    async with prepared(scale) as setting:
        await Comparison(setting, book, budget_seconds).run()
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
    CACHE.mkdir(exist_ok=True)
    notes = CACHE / ("quick.jsonl" if options.quick else "full.jsonl")
    if not options.go_on:
        notes.unlink(missing_ok=True)
    book = Notebook.opened(notes)
    version = asyncio.run(compare(scale, book, options.budget))
    kind = f"{scale.rounds} rounds" + (", small sizes for a short look" if options.quick else "")
    facts = report.about(SystemClock().now(), version, os.cpu_count() or 0, kind)
    print(report.markdown(book, facts))
    if options.page:
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
    parser.add_argument("--no-page", dest="page", action="store_false", help="write neither results nor docs")
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS, help="begin nothing after so many seconds")
    return parser.parse_args()


if __name__ == "__main__":
    main()
