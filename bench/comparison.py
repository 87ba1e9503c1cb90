"""Makes the runs and takes the measurements, in their order, and writes down what came of them."""

import asyncio
import importlib
import sys
import time
from collections.abc import Iterable

from bench.contenders import run_contender
from bench.figures.gates import quiet_rounds
from bench.figures.measured import Run
from bench.figures.notebook import Notebook
from bench.plan import Step, beside, one_round, rounds, sizes
from bench.project import OURS, SETTINGS, run_ours
from bench.setting import Setting
from bench.workloads import W2, Request, request_of

# Seconds after which each is given up, a multiple of what it takes. What is worth most comes first.
MEASURES = {
    "recovery": 180.0, "start": 60.0, "many_ids": 120.0, "pace": 200.0, "report": 150.0, "viewers": 90.0,
    "answers": 60.0, "planning": 90.0, "idle": 180.0, "points": 60.0, "slow_disk": 120.0,
}  # fmt: skip
ROUND_SECONDS = 60.0
FIRST_ITEMS = 100


class Comparison:
    """One pass over everything that is to be measured."""

    def __init__(self, setting: Setting, book: Notebook, budget_seconds: float) -> None:
        self._setting = setting
        self._book = book
        self._until = time.monotonic() + budget_seconds

    async def run(self) -> None:
        """The rounds first: the ratios stand on them. What no ratio is made of last."""
        request = await self._request()
        await self._steps(rounds(self._setting.scale), request)
        await self._steps(sizes(self._setting.scale), request)
        await self.measure(MEASURES)
        await self._steps(beside(self._setting.scale), request)
        await self._make_up(request)

    async def measure(self, names: Iterable[str]) -> None:
        """What is no ratio of rounds; what is in the notebook is not measured again."""
        for name in names:
            await self._measure(name)

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
                self._trouble(f"{name}: {problem!r}")
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
            async with asyncio.timeout(MEASURES[name]):
                finding = await importlib.import_module(f"bench.measures.{name}").measure(self._setting)
        except TimeoutError:
            self._trouble(f"{name}: given up after {MEASURES[name]:g} s")
        except Exception as problem:
            self._trouble(f"{name}: {problem!r}")
        else:
            self._book.find(name, finding)
            tell(f"{name}: {finding}")

    def _is_late(self, name: str) -> bool:
        late = time.monotonic() > self._until
        if late:
            self._trouble(f"{name}: the time was up")
        return late

    def _trouble(self, what: str) -> None:
        self._book.trouble(what)
        tell(what)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
