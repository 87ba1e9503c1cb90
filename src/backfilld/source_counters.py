"""How often APIs were asked, and what is left of their budgets, for Prometheus."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Asked(NamedTuple):
    """One connection at this moment. `left` None: it has no limit; `wait_seconds`: until it may be asked again."""

    connection: str
    outcomes: dict[tuple[str, str], int]  # endpoint, outcome → requests
    left: int | None
    wait_seconds: float


class SourceTallies(Collector):
    """Three families, with the name of the connection as their label."""

    read: Callable[[], Iterable[Asked]] = tuple

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "backfilld_source_requests", "Requests to APIs, by what came of them.",
            labels=["connection", "endpoint", "outcome"],
        )  # fmt: skip
        left = GaugeMetricFamily(
            "backfilld_source_budget_left", "Requests that the tightest limit still allows.", labels=["connection"]
        )
        waits = GaugeMetricFamily(
            "backfilld_source_wait_seconds", "Until it may be asked again; 0: now.", labels=["connection"]
        )
        for name, outcomes, remaining, wait in self.read():
            for (endpoint, outcome), count in outcomes.items():
                requests.add_metric([name, endpoint, outcome], count)
            if remaining is not None:
                left.add_metric([name], remaining)
            waits.add_metric([name], wait)
        yield from (requests, left, waits)
