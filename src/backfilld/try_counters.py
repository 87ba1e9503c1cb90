"""How tries are counted.

They end ten thousand times a second, and a counter of the client library costs a lock and a lookup of its labels each
time. So they are counted in plain dictionaries, by the one thread that there is, and put into the library's words when
somebody scrapes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from backfilld.events import TryEnded

BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)  # seconds
_BOUNDS = [*map(floatToGoString, BUCKETS), "+Inf"]


class _Durations:
    """Of one workflow: how many per bucket, and their sum in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.sum = 0.0


class TryTallies(Collector):
    """A collector for a registry; `count` is called with everything that ended."""

    def __init__(self) -> None:
        self._tries: Counter[tuple[str, str, str]] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, _Durations] = {}

    def count(self, event: TryEnded) -> None:
        """One more."""
        workflow = event.workflow
        self._tries[workflow, event.kind, event.error_class or ""] += 1
        durations = self._durations.get(workflow)
        if durations is None:
            durations = self._durations[workflow] = _Durations()
        durations.counts[bisect_left(BUCKETS, event.seconds)] += 1
        durations.sum += event.seconds
        if event.outcome is not None:
            self._outcomes[workflow, event.outcome] += 1

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        tries = CounterMetricFamily(
            "backfilld_tries", "Executions, by workflow, how they ended and why.",
            labels=["workflow", "kind", "error_class"],
        )  # fmt: skip
        for labels, number in self._tries.items():
            tries.add_metric(labels, number)
        outcomes = CounterMetricFamily(
            "backfilld_outcomes", "Items that ended after a try, by workflow and how.", labels=["workflow", "status"]
        )
        for how, number in self._outcomes.items():
            outcomes.add_metric(how, number)
        seconds = HistogramMetricFamily("backfilld_try_seconds", "How long a slot was held.", labels=["workflow"])
        for workflow, durations in self._durations.items():
            buckets = list(zip(_BOUNDS, accumulate(durations.counts), strict=True))
            seconds.add_metric([workflow], buckets, durations.sum)
        yield from (tries, outcomes, seconds)
