"""What brakes saw, as Prometheus may know it; asked for at every scrape, since brakes come and go with the file."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Measured = tuple[str, float | None, bool, int]  # name, last value, whether it holds, failed looks


class BrakeTallies(Collector):
    """Three families, with the name of the brake as their label."""

    read: Callable[[], Iterable[Measured]] = tuple

    def collect(self) -> Iterator[Metric]:
        values = GaugeMetricFamily("backfilld_brake_value", "What the brake saw last.", labels=["brake"])
        holds = GaugeMetricFamily("backfilld_brake_holds", "1 while the brake holds.", labels=["brake"])
        errors = CounterMetricFamily("backfilld_brake_look_errors", "Looks that saw nothing.", labels=["brake"])
        for name, value, held, failed in self.read():
            if value is not None:
                values.add_metric([name], value)
            holds.add_metric([name], float(held))
            errors.add_metric([name], failed)
        yield from (values, holds, errors)
