"""The live picture shows what is known, and marks up nothing that came from outside."""

import io

from rich.console import Console
from tests.support.stub_daemon import a_backfill

from backfilld.cli.backfills.live_view import LiveView


def picture(clock, backfill, errors=()) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    with LiveView(clock, console) as view:
        view.show(backfill, list(errors))
        console.print(view.picture())
    return console.file.getvalue()


def test_the_picture_holds_bar_counters_and_pace(clock):
    backfill = a_backfill(
        processed_count=4, succeeded_count=3, failed_count=1, in_flight_count=5, pending_count=1,
        estimated_completion_at="2027-03-01T12:02:05Z",
    )  # fmt: skip
    text = picture(clock, backfill)

    assert "4/10 (40%)" in text
    assert "succeeded 3" in text
    assert "in flight 5" in text
    assert "60/min, 2 min 5 s left" in text


def test_the_picture_counts_down_to_the_next_opening(clock):
    why = {
        "code": "outside_window",
        "message": "the window is closed",
        "since": "2027-03-01T06:00:00Z",
        "until": "2027-03-01T22:00:00Z",
    }
    text = picture(clock, a_backfill(status="waiting", status_reason=why))

    assert "the window is closed (10 h to go)" in text


def test_an_error_message_is_shown_as_it_is(clock):
    error = {"error_class": "http_422", "message": "[bold]no[/bold] [/red]", "count": 1, "entity_ids": ["7"]}
    text = picture(clock, a_backfill(failed_count=1), [error])

    assert "1 × http_422: [bold]no[/bold] [/red], as 7" in text


def test_a_plan_that_is_being_made_has_no_total_yet(clock):
    text = picture(clock, a_backfill(status="planning", total_entities=None))

    assert "0/?" in text
