"""What is written down: the notebook, and the marked parts of the pages."""

import json

from bench.alone import scaling
from bench.figures import report
from bench.figures.notebook import Notebook
from bench.project import OURS
from tests.bench.made_up import run


def test_the_page_keeps_what_stands_around_its_figures():
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"

    assert f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n" == report.with_figures(page, "new")


def test_the_page_has_its_marks():
    assert "new" in report.with_figures(report.PAGE.read_text(), "new")


def test_what_was_measured_is_still_there_after_an_interruption(tmp_path):
    Notebook.opened(tmp_path / "notes").add(run(OURS, 1.0, 0))
    again = Notebook.opened(tmp_path / "notes")

    assert again.has(OURS, "W2", 1000, 0)


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
