"""How tries are counted.

They end ten thousand times a second, and a counter of the client library costs a lock and a lookup of its labels each
time. So they are counted in plain dictionaries, by the one thread that there is, and put into the library's words when
somebody scrapes.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from backfilld.events import TryEnded

BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)  # seconds
_BOUNDS = [*map(floatToGoString, BUCKETS), "+Inf"]


class _Tally:
    """Of tries that ended alike: how many of them took how long, per bucket, and the sum of that in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.sum = 0.0

    @property
    def number(self) -> int:
        return sum(self.counts)

    def add(self, other: "_Tally") -> None:
        self.counts = list(map(sum, zip(self.counts, other.counts, strict=True)))
        self.sum += other.sum


class TryTallies(Collector):
    """A collector for a registry; `count` is called with everything that ended."""

    def __init__(self) -> None:
        # by workflow, kind, error class and outcome
        self._tallies: dict[tuple[str, str, str | None, str | None], _Tally] = {}

    def count(self, event: TryEnded) -> None:
        """One more."""
        how = event.workflow, event.kind, event.error_class, event.outcome
        tally = self._tallies.get(how)
        if tally is None:
            tally = self._tallies[how] = _Tally()
        tally.counts[bisect_left(BUCKETS, event.seconds)] += 1
        tally.sum += event.seconds

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        tries, outcomes = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        durations = defaultdict[str, _Tally](_Tally)
        for (workflow, kind, error_class, outcome), tally in self._tallies.items():
            tries[workflow, kind, error_class or ""] += tally.number
            durations[workflow].add(tally)
            if outcome is not None:
                outcomes[workflow, outcome] += tally.number
        yield _counters("backfilld_tries", "Executions, by workflow, how they ended and why.",
                        ("workflow", "kind", "error_class"), tries)  # fmt: skip
        yield _counters("backfilld_outcomes", "Items that ended after a try, by workflow and how.",
                        ("workflow", "status"), outcomes)  # fmt: skip
        seconds = HistogramMetricFamily("backfilld_try_seconds", "How long a slot was held.", labels=["workflow"])
        for workflow, tally in durations.items():
            buckets = list(zip(_BOUNDS, accumulate(tally.counts), strict=True))
            seconds.add_metric([workflow], buckets, tally.sum)
        yield seconds


def _counters(
    name: str, description: str, labels: Sequence[str], numbers: Mapping[tuple[str, ...], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, description, labels=labels)
    for values, number in numbers.items():
        family.add_metric(values, number)
    return family
