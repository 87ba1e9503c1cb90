"""The dashboard and the alert rules ask for what `/metrics` has: names, and the labels that these carry."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from tests.docs.test_documents import OPERATIONS, anchors_of, text_of

from backfilld.events import TryEnded
from backfilld.metrics import Metrics

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "contrib/grafana/backfilld.json"
ALERTS = ROOT / "contrib/prometheus/alerts.yml"
TESTED = ROOT / "contrib/prometheus/alerts.test.yml"
OF_THE_SCRAPE = {"instance", "job"}  # every series has them
HISTOGRAM = ("_bucket", "_sum", "_count")


def series() -> dict[str, set[str]]:
    """Every name on the wire, with its labels."""
    metrics = Metrics()
    metrics(TryEnded(None, "w", "t", "failed", "http_500", 0.1, "failed"))  # its family has no series before
    found: dict[str, set[str]] = {}
    labels = {
        names[0]: set(collector._labelnames)
        for collector, names in metrics.registry._collector_to_names.items()
        if isinstance(collector, MetricWrapperBase)
    }
    for family in metrics.registry.collect():
        own = labels.get(family.name, {key for sample in family.samples for key in sample.labels if key != "le"})
        for suffix in {"counter": ("_total",), "histogram": HISTOGRAM}.get(family.type, ("",)):
            found[family.name + suffix] = own | ({"le"} if suffix == "_bucket" else set())
    asked_for = re.findall(r'metrics\.watch\(\s*"(\w+)"', text_of(ROOT / "src/backfilld/app/metric_parts.py"))
    return found | {f"backfilld_{name}": set() for name in asked_for}


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(text_of(ALERTS))["groups"] for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    dashboard = json.loads(text_of(DASHBOARD))
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in queries()])
def test_every_query_asks_for_what_is_measured(query: str) -> None:
    known = series() | {"up": set()}
    names = set(re.findall(r"\b(?:backfilld_\w+|up)\b", query))
    carried = OF_THE_SCRAPE.union(*(known.get(name, set()) for name in names))
    matched = set(re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', query))
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", query) for label in re.split(r",\s*", group)}

    assert names
    assert set() == names - set(known)
    assert set() == (matched | grouped) - carried


def test_every_rule_is_tried_and_names_a_page_that_helps() -> None:
    tried = {case["alertname"] for test in yaml.safe_load(text_of(TESTED))["tests"] for case in test["alert_rule_test"]}

    assert {rule["alert"] for rule in rules()} == tried
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")

        assert (ROOT / "docs" / page).is_file()
        assert not anchor or anchor in anchors_of(OPERATIONS)
