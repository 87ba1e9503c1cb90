"""The comparison can be made: small, ours alone, with every part that needs nothing but Python."""

import json
from dataclasses import replace
from itertools import product

import pytest
from bench.__main__ import Comparison, prepared
from bench.judging import Figure, quiet_rounds, ratio
from bench.measured import Run
from bench.notebook import Notebook
from bench.plan import LIMIT, PGQUEUER, QUICK
from bench.postgres import RECORDING
from bench.project import OURS, run_ours
from bench.workloads import W1, W2, W3_MANY, Request, request_of

from backfilld.store.connection.queries import load
from bench import report, scaling

TINY = replace(QUICK, medium=300, waiting=3, idle_seconds=0.5, restarts=1, large=50_000)


def run(contender: str, seconds: float, number: int, *, others: float = 0.0) -> Run:
    return Run(contender, "W2", 1000, number, seconds, 0.1, 0.1, others, 0, 0)


def test_a_ratio_is_the_median_over_the_rounds_in_which_nobody_else_worked():
    ours = [run(OURS, seconds, number) for number, seconds in enumerate((2.0, 4.0, 5.0, 1.0))]
    theirs = [run(LIMIT, 1.0, number, others=0.9 if number == 3 else 0.0) for number in range(4)]

    (found,) = ratio("P1", "", ours, theirs, ">= 0.75", ">= 0.95")

    assert (0.25, 0.2, 0.5, 3) == (found.value, found.low, found.high, found.rounds)
    assert "1 rounds dropped" in found.note


def test_a_round_is_quiet_if_it_is_for_every_ratio():
    def disturbed(workload: str, number: int) -> float:
        return 0.9 if (workload, number) == ("W3", 2) else 0.0

    book = Notebook()
    for number in range(3):
        for contender, workload in ((OURS, "W1"), (PGQUEUER, "W1"), (PGQUEUER, "W2")):
            book.add(replace(run(contender, 1.0, number), workload=workload))
        for contender, workload in product((OURS, LIMIT), ("W2", "W3", "W3 x 10")):
            book.add(replace(run(contender, 1.0, number, others=disturbed(workload, number)), workload=workload))

    assert 2 == quiet_rounds(book)


def test_the_backend_of_the_recorder_is_known_by_what_it_says():
    fragment = RECORDING.strip("%")
    queries = load("ledger.ledger")

    assert any(fragment in getattr(queries, name) for name in queries.names())


def test_others_send_what_ours_sends_but_for_what_belongs_to_a_connection():
    head = b"POST /do HTTP/1.1\r\nHost: x\r\nUser-Agent: backfilld\r\nwebhook-id: 1\r\nContent-Length: 2\r\n\r\n{}"

    assert Request("{}", {"User-Agent": "backfilld", "webhook-id": "1"}) == request_of(head)


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "aim"), (0.8, "gate"), (0.7, "missed")])
def test_a_figure_is_judged_by_gate_and_aim(value, verdict):
    assert verdict == Figure("P1", "", value, ">= 0.75", ">= 0.95").verdict


def test_the_page_keeps_what_stands_around_its_figures():
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"

    assert f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n" == report.with_figures(page, "new")


def test_the_page_has_its_marks():
    assert "new" in report.with_figures(report.PAGE.read_text(), "new")


def test_what_was_measured_is_still_there_after_an_interruption(tmp_path):
    Notebook.opened(tmp_path / "notes").add(run(OURS, 1.0, 0))
    again = Notebook.opened(tmp_path / "notes")

    assert again.has(OURS, "W2", 1000, 0)


@pytest.mark.slow
async def test_ours_can_be_measured_in_every_workload():
    async with prepared(TINY, with_peers=False) as setting:
        book = Notebook()
        for workload in (W1, W2, W3_MANY):
            book.add(
                await run_ours(
                    workload, 300, 0, postgres=setting.postgres, stock=setting.stock, target=setting.target,
                    folder=setting.folder,
                )
            )  # fmt: skip

    assert all(run.seconds > 0 and run.client_cpu > 0 and run.wal_bytes > 0 for run in book.runs)
    assert all(run.commits > 0 and run.recorder_cpu > 0 for run in book.runs)
    assert "| backfilld | W2 | 300 |" in report.markdown(
        book, {"when": "", "cores": 1, "python": "", "postgres": "", "scale": ""}
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["planning", "points", "recovery", "idle"])
async def test_what_is_no_ratio_of_rounds_can_be_measured(name):
    book = Notebook()
    async with prepared(TINY, with_peers=False) as setting:
        await Comparison(setting, book, budget_seconds=300)._measure(name)

    assert [] == book.troubles
    assert name in book.findings


def test_the_page_on_scaling_says_what_was_measured_and_nothing_else():
    document = json.loads(scaling.RESULTS.read_text())
    page = scaling.PAGE.read_text()

    assert page == scaling.with_figures(page, scaling.rendered(document))


def test_what_is_used_while_nothing_happens_is_taken_off(monkeypatch):
    seconds = iter((0.0, 10.0))
    monkeypatch.setattr(scaling.time, "monotonic", lambda: next(seconds))
    used = iter((5.0, 9.0))
    meter = scaling.Meter({"daemon": lambda: next(used)})
    meter._idle = {"daemon": 0.1}
    meter.begin()

    assert {"daemon": 3.0} == meter.used()
