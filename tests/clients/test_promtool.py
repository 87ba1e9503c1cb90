"""Prometheus' own tool reads the rules and the dashboard's queries, and tries every rule."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients
CONTRIB = Path(__file__).parents[2] / "contrib"


def promtool(*arguments: str | Path) -> str:
    program = shutil.which("promtool")
    assert program, "apt-get install prometheus"

    ended = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr

    return ended.stdout


def test_every_alert_fires_on_its_trouble_and_is_silent_on_a_quiet_day() -> None:
    assert "SUCCESS" in promtool("test", "rules", CONTRIB / "prometheus/alerts.test.yml")


def test_every_query_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    dashboard = json.loads((CONTRIB / "grafana/backfilld.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    filled = [query.replace("$instance", ".*").replace("$__rate_interval", "5m") for query in queries]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")

    assert f"{len(queries)} rules found" in promtool("check", "rules", file)
