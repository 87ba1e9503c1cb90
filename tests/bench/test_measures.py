"""What is measured by itself: in its order, within its time, once; and what is made of it."""

import asyncio
import importlib
import sys
from types import SimpleNamespace

import pytest
from bench.comparison import MEASURES, Comparison
from bench.figures.gates import FOUND, figures
from bench.figures.notebook import Notebook
from bench.measures.pace import seconds_to_pace

from bench import comparison

ANSWERED = {
    "pace": {"ratio": 1.05, "seconds_to_full_pace": 25.0},
    "report": {"grown_mib": 12.0, "rows_per_second": 49_000.0},
    "viewers": {"core_percent": 0.8, "core_percent_low": 0.7, "core_percent_high": 0.9, "rounds": 3},
}


@pytest.fixture
def one_measure(monkeypatch):
    """A measure of a test's own, by the name of `made_up`."""

    def register(measure):
        monkeypatch.setattr(comparison, "MEASURES", {"made_up": 0.01})
        monkeypatch.setitem(sys.modules, "bench.measures.made_up", SimpleNamespace(measure=measure))

    return register


def compared_with(book: Notebook) -> Comparison:
    return Comparison(None, book, budget_seconds=1000)  # type: ignore[arg-type]  # it has nothing to be set up


def test_every_finding_that_is_judged_is_measured():
    assert MEASURES.keys() == {finding for finding, *_ in FOUND}


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_says_which_promise_it_is_for(name):
    promises = {number for finding, _, number, *_ in FOUND if finding == name}
    said = importlib.import_module(f"bench.measures.{name}").__doc__ or ""

    assert {number for number in promises if number in said} == promises


def test_what_was_found_is_judged_with_its_span():
    book = Notebook(findings=ANSWERED)
    judged = [(figure.name, figure.value, figure.verdict, figure.rounds) for figure in figures(book)]

    assert [
        ("P18", 0.8, "aim", 3), ("P19", 1.05, "aim", 1), ("P19", 25.0, "missed", 1), ("P20", 12.0, "gate", 1),
        ("P20", 49_000.0, "missed", 1),
    ] == judged  # fmt: skip


async def test_what_takes_too_long_is_given_up_and_told(one_measure):
    book = Notebook()
    one_measure(lambda setting: asyncio.Event().wait())
    await compared_with(book).measure(["made_up"])

    assert ["made_up: given up after 0.01 s"] == book.troubles
    assert {} == book.findings


async def test_what_is_in_the_notebook_is_not_measured_again(tmp_path, one_measure):
    measured = []

    async def measure(setting):
        measured.append(setting)
        return {"seconds": 1.0}

    one_measure(measure)
    for _ in range(2):
        await compared_with(Notebook.opened(tmp_path / "notes")).measure(["made_up"])

    assert 1 == len(measured)


async def test_nothing_is_begun_when_the_time_is_up(one_measure):
    book = Notebook()
    one_measure(lambda setting: asyncio.Event().wait())
    await Comparison(None, book, budget_seconds=-1).measure(["made_up"])  # type: ignore[arg-type]

    assert ["made_up: the time was up"] == book.troubles


def test_the_pace_is_full_when_it_is_held_for_a_second():
    def arriving(*each_half_second: int) -> list[tuple[float, int]]:
        arrived, looks = 0, [(0.0, 0)]
        for number, more in enumerate(each_half_second, 1):
            arrived += more
            looks.append((number / 2, arrived))
        return looks

    assert 2.0 == seconds_to_pace(arriving(10, 10, 100, 10, 95, 95), pace=200)
    assert seconds_to_pace(arriving(10, 10, 100, 10, 95), pace=200) is None
    assert seconds_to_pace([], pace=200) is None
