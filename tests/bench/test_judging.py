"""What is made of runs: ratios, medians, and whether they hold."""

from dataclasses import replace

import pytest
from bench.figures.gates import RATIOS, figures, quiet_rounds
from bench.figures.judging import Figure, ratio
from bench.figures.notebook import Notebook
from bench.plan import FULL, TUNED, one_round
from bench.project import OURS
from tests.bench.made_up import compared, run


def test_a_ratio_is_the_median_over_the_rounds_in_which_nobody_else_worked():
    ours = [run(OURS, seconds, number) for number, seconds in enumerate((2.0, 4.0, 5.0, 1.0))]
    theirs = [run(TUNED, 1.0, number, others=0.9 if number == 3 else 0.0) for number in range(4)]

    (found,) = ratio("P1", "", ours, theirs, ">= 0.75", ">= 0.95")

    assert (0.25, 0.2, 0.5, 3) == (found.value, found.low, found.high, found.rounds)
    assert "1 rounds dropped" in found.note


def test_a_round_is_quiet_if_it_is_for_every_ratio():
    assert 3 == quiet_rounds(compared())
    assert 2 == quiet_rounds(compared(disturbed=("W3", 2)))


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "aim"), (0.8, "gate"), (0.7, "missed")])
def test_a_figure_is_judged_by_gate_and_aim(value, verdict):
    assert verdict == Figure("P1", "", value, ">= 0.75", ">= 0.95").verdict


def test_every_ratio_has_both_of_its_contenders_in_a_round():
    steps = {(step.contender, step.workload.name) for step in one_round(FULL, 0)}
    missing = [
        (contender, workload)
        for _, _, workload, other, _, _ in RATIOS
        for contender in (OURS, other)
        if (contender, workload) not in steps
    ]

    assert [] == missing


def test_who_takes_as_long_as_the_others_passes_where_a_limit_is_compared_and_nowhere_else():
    judged = {(figure.name, figure.what): figure.verdict for figure in figures(compared()) if "÷" in figure.what}

    assert {
        ("P1", "W2, JSON answer ÷ tuned aiohttp"): "gate",
        ("P1", "W2, empty answer ÷ tuned aiohttp"): "gate",
        ("P14", "W2, JSON answer ÷ aiohttp as it comes"): "missed",
        ("P2", "W3 ÷ aiohttp as it comes, 10 in flight"): "aim",
        ("P2", "W3 ÷ aiohttp as it comes, 10 backfills × 10"): "aim",
        ("P3", "W1 ÷ PgQueuer"): "missed",
        ("P4", "W2, JSON answer ÷ PgQueuer"): "missed",
    } == judged


def test_what_the_database_spends_on_an_item_is_told():
    book = Notebook()
    for number, cpu in enumerate((0.05, 0.1, 0.2)):
        book.add(replace(run(OURS, 1.0, number, workload="W3"), postgres_cpu=cpu))

    assert [("P17", 100.0, "gate")] == [(figure.name, figure.value, figure.verdict) for figure in figures(book)]


def test_growth_compares_the_largest_size_with_the_one_that_has_the_rounds():
    book = Notebook()
    for number in range(3):
        book.add(run(OURS, 1.0, number))
    book.add(replace(run(OURS, 1.0, 0), items=10_000, client_cpu=2.9, postgres_cpu=0.1, peak_bytes=64 << 20))

    found = {figure.what: figure.value for figure in figures(book)}

    assert 1.5 == pytest.approx(found["CPU per item at 10,000 ÷ at 1,000"])
    assert 64 == found["peak memory at 10,000 − at 1,000"]


def test_what_an_outcome_costs_is_of_the_size_below_the_largest():
    book = Notebook()
    for items, wal in ((1_000, 9), (10_000, 200), (100_000, 7)):
        book.add(replace(run(OURS, 1.0, 0), items=items, wal_bytes=wal * items))

    assert [200] == [figure.value for figure in figures(book) if figure.what == "WAL per item"]
