"""A stop that the database keeps from its end says so: how many outcomes, and how long it goes on trying."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from backfilld.app.process.stop_report import StopReport

FULL = OSError("No space left on device")


def stop(clock, **live: Any) -> tuple[StopReport, SimpleNamespace, list[str]]:
    told: list[str] = []
    recorder = SimpleNamespace(unrecorded=0, obstacle=None)
    attempts = SimpleNamespace(unfinished=2, obstacle=None, **live)
    notifier: Any = SimpleNamespace(status=told.append)
    return StopReport(recorder, attempts, notifier, clock, 45), SimpleNamespace(recorder=recorder, live=attempts), told  # type: ignore[arg-type]


async def test_it_tells_what_it_waits_for_and_how_long_it_will(clock):
    report, parts, told = stop(clock)
    following = asyncio.create_task(report.follow())
    with structlog.testing.capture_logs() as lines:
        await clock.advance(10)
        parts.recorder.unrecorded, parts.recorder.obstacle = 208, FULL
        await clock.advance(5)
        parts.live.obstacle = FULL
        await clock.advance(5)
        parts.recorder.obstacle = parts.live.obstacle = None
        await clock.advance(5)
    following.cancel()

    assert [
        "letting work in flight finish; 50 s left",
        "letting work in flight finish; 45 s left",
        "letting work in flight finish; 40 s left",
        "stopping: 208 outcomes cannot be written; 35 s left",
        "stopping: 210 outcomes cannot be written; 30 s left",
        "letting work in flight finish; 25 s left",
    ] == told
    assert [(208, 35), (210, 30)] == [(line["outcomes"], line["seconds_left"]) for line in lines]
    assert {"outcomes cannot be written"} == {line["event"] for line in lines}
    assert "No space left" in lines[0]["problem"]


@pytest.mark.parametrize(("unrecorded", "obstacle", "told"), [(3, FULL, 1), (0, FULL, 0), (3, None, 0)])
def test_what_could_not_be_written_by_the_end_is_the_last_word(clock, unrecorded, obstacle, told):
    report, parts, _ = stop(clock)
    parts.recorder.unrecorded, parts.recorder.obstacle = unrecorded, obstacle
    with structlog.testing.capture_logs() as lines:
        report.ended()

    assert ["outcomes were not written"] * told == [line["event"] for line in lines]
