"""Every signal that somebody may send has an answer, and none ends the daemon without a word."""

import asyncio
import os
import signal

import pytest
import structlog
from tests.support.waiting import eventually

from backfilld.app.process.signals import LEFT_ALONE, answer_signals, answers

DEFAULT_IS_FINE = {"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"}  # ignored, or what a shell does
OF_THE_SHELL = {"SIGTSTP", "SIGTTIN", "SIGTTOU"}
PYTHON_IGNORES = {"SIGPIPE", "SIGXFSZ"}
CANNOT_BE_CAUGHT = {"SIGKILL", "SIGSTOP"}
FAULTS = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGABRT", "SIGSTKFLT"}
ANSWERS = {
    "SIGTERM": ["stop"],
    "SIGINT": ["stop"],
    "SIGQUIT": ["stop", "stop"],
    "SIGHUP": ["reload"],
    "SIGUSR1": [],
}


class Told:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def stop(self) -> None:
        self.heard.append("stop")

    def reload(self) -> None:
        self.heard.append("reload")


def test_only_what_is_a_fault_or_harmless_is_left_alone():
    names = {number.name for number in LEFT_ALONE if isinstance(number, signal.Signals)}

    assert names <= DEFAULT_IS_FINE | OF_THE_SHELL | PYTHON_IGNORES | CANNOT_BE_CAUGHT | FAULTS
    assert set(signal.valid_signals()) == LEFT_ALONE | answers(Told()).keys()


@pytest.fixture
async def told():
    """Somebody who hears of signals, until the end of the test."""
    told, loop = Told(), asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in answers(told)}
    answer_signals(loop, told)
    yield told
    for number, handler in before.items():
        loop.remove_signal_handler(number)
        signal.signal(number, handler)


@pytest.mark.parametrize(("name", "heard"), ANSWERS.items())
async def test_a_signal_with_a_meaning_is_obeyed(told, name, heard):
    with structlog.testing.capture_logs() as logs:
        os.kill(os.getpid(), signal.Signals[name])
        await eventually(lambda: told.heard == heard and (heard or logs))

    assert heard == told.heard


async def test_every_other_signal_is_named_and_changes_nothing(told):
    others = sorted(answers(told).keys() - {signal.Signals[name] for name in ANSWERS})
    with structlog.testing.capture_logs() as logs:
        for number in others:
            os.kill(os.getpid(), number)
        await eventually(lambda: len(logs) == len(others))
    named = {line["signal"] for line in logs}

    assert {"SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF"} <= named
    assert len(others) == len(named)
    assert [] == told.heard


async def test_sigusr1_tells_where_every_task_stands(told):
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer(), name="stands still")
    await asyncio.sleep(0)
    with structlog.testing.capture_logs() as logs:
        os.kill(os.getpid(), signal.SIGUSR1)
        await eventually(lambda: any(line["event"] == "task" and line["name"] == "stands still" for line in logs))
    task.cancel()
    (told_of,) = (line for line in logs if line.get("name") == "stands still")

    assert ["outer", "inner", "wait"] == [place.rsplit(" ", 1)[1] for place in told_of["waits_at"]]
    assert "where everything stands" == logs[0]["event"]
