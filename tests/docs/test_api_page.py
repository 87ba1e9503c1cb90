"""docs/api.md names what there is."""

from pathlib import Path

from backfilld.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_metric_stands_in_the_docs() -> None:
    metrics = Metrics()
    for name in ("in_flight", "unrecorded", "last_tick_age_seconds"):
        metrics.watch(name, name, lambda: 0)
    names = {family.name for family in metrics.registry.collect()}

    assert {name for name in names if name not in PAGE} == set()
