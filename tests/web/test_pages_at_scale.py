"""Every page over a large database: none is heavy, and none reads what it does not show.

What PostgreSQL really does for a page is told by its own `auto_explain`, statement by statement, to whoever asked.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from tests.support.clock import NOON
from tests.support.crowd import Crowd, Shape, fill, paths
from tests.support.database import Databases
from tests.web.conftest import Site

from backfilld.store.connection.pool import Pool, open_pool

MOST_BYTES = 60_000
# What one step of a statement may look at: a page shows 50 rows, counts the backfills that have ended, and compares 20
# messages of each of 200 kinds of failure.
MOST_ROWS = 5_000
GOES_THROUGH_FAILURES = "-- name: list_groups"  # to count them by kind, and through nothing else
COUNTS_RECORDS = ("a new backfill", "a new backfill of some", "the same again")  # as far as it gets in a moment
SMALL = Shape(items=20_000, backfills=300, schedules=10)
LARGE = Shape(items=1_000_000, backfills=2_000, schedules=100)
EXPLAINED = {
    "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off", "auto_explain.log_format": "json", "auto_explain.log_level": "notice",
    "auto_explain.log_nested_statements": "on", "statement_timeout": "0",
}  # fmt: skip


# Where it is, what there is in it, and whether a table may be read whole: what is small is, if it may.
Filled = tuple[str, Crowd, str]


@dataclass
class Explained:
    """What was carried out since it was cleared: text of the statement, and its plan."""

    plans: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def hear(self, fields: dict[str, str], _: str) -> None:
        told = fields.get("M", "")
        if "plan:" in told:
            found = json.loads(told.partition("plan:")[2])
            self.plans.append((found["Query Text"], found["Plan"]))

    def too_much(self, most: int) -> list[str]:
        """Steps that read more rows than that, each with its statement."""
        return [
            f"{node['Node Type']} of {node.get('Relation Name', '')} by {node.get('Index Name', 'nothing')} reads"
            f" {read(node):,.0f} rows in: {text[:400]}"
            for text, plan in self.plans
            if not text.startswith(GOES_THROUGH_FAILURES)
            for node in nodes(plan)
            if "Scan" in node["Node Type"] and read(node) > most
        ]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def read(node: dict[str, Any]) -> float:
    """Rows that a step has looked at, also those that it left out."""
    left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + left_out) * node["Actual Loops"])


@pytest.fixture(
    scope="module",
    params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="a million", marks=pytest.mark.slow)],
)
async def crowd(request: pytest.FixtureRequest, databases: Databases) -> AsyncIterator[Filled]:
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2, statement_timeout="0")
        made = await fill(pool, request.param, NOON)
        await pool.close()
        yield dsn, made, "on" if request.param is LARGE else "off"


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Explained:
    """A pool takes its connections' listeners away whenever one is given back: so this listens below it."""
    found = Explained()
    monkeypatch.setattr(asyncpg.Connection, "_process_log_message", found.hear)
    return found


@pytest.fixture
async def pool(crowd: Filled, explained: Explained) -> AsyncIterator[Pool]:
    pool = await open_pool(crowd[0], size=10, **EXPLAINED, enable_seqscan=crowd[2])
    yield pool
    await pool.close()


async def test_no_page_is_heavy_or_reads_what_it_does_not_show(site: Site, crowd: Filled, explained: Explained) -> None:
    anna = await site.sign_in("admin")
    heavy, greedy = {}, {}
    for name, path in paths(crowd[1]).items():
        explained.plans.clear()
        text = await anna.text(path)
        assert explained.plans, f"{name} has asked nothing"
        heavy |= {name: len(text.encode())} if len(text.encode()) > MOST_BYTES else {}
        if name not in COUNTS_RECORDS and (found := explained.too_much(MOST_ROWS)):
            greedy[name] = found

    assert ({}, {}) == (heavy, greedy)
