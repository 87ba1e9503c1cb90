"""Ctrl-C and SIGTERM end a command wherever it stands, with one exit code, and never by a traceback.

A command is run again and again, and each time is sent the signal one step later: before, behind or between any two
steps of its task, until a run comes to its end without.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest
from tests.support.stub_daemon import Scripted, a_backfill, event, stub_daemon

ID = a_backfill()["id"]
BACKFILLS = "/public-api/backfills"
PATIENCE_SECONDS = 120
OTHER_PLACES = [pytest.param(place, marks=pytest.mark.slow) for place in ("behind", "between")]
STEPPED = '''
import asyncio, collections.abc, json, os, signal, sys

number, place, words = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
when, where = None, None

class Stepped(collections.abc.Coroutine):
    """The coroutine of the command, whose steps are counted."""

    def __init__(self, inner):
        self._inner, self._step = inner, 0

    def send(self, value):
        self._step += 1
        if (self._step, "before") == (when, where):
            os.kill(os.getpid(), number)
        result = self._inner.send(value)
        if self._step == when and where == "behind":
            os.kill(os.getpid(), number)
        if self._step == when and where == "between":
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        return result

    def throw(self, *problem):
        return self._inner.throw(*problem)

    def close(self):
        self._inner.close()

    def __await__(self):
        return (yield from self._inner.__await__())

plain = asyncio.run
asyncio.run = lambda work, **options: plain(Stepped(work), **options)

import backfilld.client
import backfilld.cli.backfills.watch
import backfilld.cli.output.failure_groups
from backfilld.__main__ import main
{prepared}

def ended(step, place):
    """How the command ends in a child that is sent the signal then: its exit code, and what it said on stderr."""
    global when, where
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        when, where = step, place
        sys.argv = ["backfilld", *words]
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            main()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    os.close(writing)
    with os.fdopen(reading) as said:
        told = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told

step, code = 0, 130
while code == 130:
    step += 1
    code, said = ended(step, place)
    print(json.dumps([step, code, said]), flush=True)
'''
# The demo's own steps; its processes and its key are others' (test_demo.py).
DEMO = """
from backfilld.cli.demo import command as demo, scenes, story, summary, tickets
from backfilld.cli.demo.processes import Processes

async def address(self):
    await asyncio.sleep(0)
    return os.environ["BACKFILLD_URL"]

async def key(self):
    await asyncio.sleep(0)
    return "neo_sk_test_abc", "once"

async def stop(self):
    print("STOPPED", file=sys.stderr, flush=True)
    await asyncio.sleep(0)

tickets.shipped = lambda: b"{}"
Processes.start_target = Processes.start_daemon = address
Processes.stop = stop
demo.Demo._make_key = key
"""


async def every_end(number: int, place: str, daemon, *words: str, prepared: str = "") -> list[tuple[int, int, str]]:
    """When the signal came, the exit code, and what was said on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STEPPED.replace("{prepared}", prepared), str(int(number)), place, *words,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"BACKFILLD_URL": daemon.url, "BACKFILLD_API_KEY": "neo_sk_test_abc"},
    )  # fmt: skip
    ends = []
    while line := await _next_line(process):
        ends.append(tuple(json.loads(line)))
    err = await process.stderr.read()
    await process.wait()

    assert b"" == err
    return ends


async def _next_line(process: asyncio.subprocess.Process) -> bytes:
    """How one more run has ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await process.stdout.readline()


@pytest.fixture
async def daemon():
    async with stub_daemon() as daemon:
        yield daemon


def judged(ends: list[tuple[int, int, str]], code: int, steps: int) -> None:
    """The walk ended by the command's own end, and by nothing but 130 before."""
    assert [code] == [found for _, found, _ in ends if found != 130]
    assert len(ends) > steps
    assert [] == [end for end in ends if "Traceback" in end[2] or "Exception" in end[2]]


@pytest.mark.parametrize("place", ["before", *OTHER_PLACES])
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(other, marks=pytest.mark.slow) for other in (signal.SIGTERM, signal.SIGHUP))],
)
async def test_watching_ends_with_any_signal_at_any_step(daemon, number, place):
    failed = [{"error_class": "http_500", "message": "boom", "count": 1, "entity_ids": ["7"]}]
    done = a_backfill(status="completed", processed_count=10, completed_at="2027-03-01T12:01:01Z", failed_count=1)
    daemon.script(
        "GET", f"{BACKFILLS}/{ID}/events", Scripted(raw=event("progress", 1, a_backfill()) + event("end", 2, done))
    )
    daemon.script("GET", f"{BACKFILLS}/{ID}/errors", Scripted(data={"errors": failed}))
    judged(await every_end(number, place, daemon, "backfills", "watch", ID), 0, steps=3)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["before", "behind", "between"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_demo_ends_with_any_signal_at_any_step_and_stops_what_it_has_started(daemon, tmp_path, number, place):
    done = a_backfill(status="completed", processed_count=10, completed_at="2027-03-01T12:01:01Z")
    daemon.script("GET", "/readyz", Scripted())
    daemon.script("PUT", "/public-api/entities/ticket", Scripted(data={"inserted": 1, "updated": 0, "unchanged": 0}))
    daemon.script(
        "GET",
        "/public-api/workflows",
        Scripted(data={"workflows": [{"id": 7, "name": "classify-ticket", "project": "default"}]}),
    )
    daemon.script("GET", BACKFILLS, Scripted(data={"backfills": []}))
    daemon.script("POST", f"{BACKFILLS}/verify", Scripted(data={"matching_entities": 10}))
    daemon.script("POST", BACKFILLS, Scripted(201, data={"backfill": a_backfill()}))
    daemon.script("GET", f"{BACKFILLS}/{ID}", Scripted(data={"backfill": done}))
    daemon.script("GET", f"{BACKFILLS}/{ID}/errors", Scripted(data={"errors": []}))
    daemon.script("GET", f"{BACKFILLS}/{ID}/entities", Scripted(data={"entities": []}))
    daemon.script("GET", f"{BACKFILLS}/{ID}/events", Scripted(raw=event("end", 2, done)))
    words = ("demo", "--json", "--state-directory", str(tmp_path / "demo"))
    ends = await every_end(number, place, daemon, *words, prepared=DEMO)

    judged(ends, 0, steps=10)
    assert [] == [end for end in ends if "STOPPED" not in end[2] and end[0] > 1]


def test_ctrl_c_is_heard_also_by_what_a_shell_has_started_in_the_background():
    script = (
        "import asyncio, os, signal\n"
        "from backfilld.cli import main, running\n"
        "main.cli = lambda **_: print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "main.main()"
    )
    shell = f"{sys.executable} -c '{script}' & wait"
    ended = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=True)

    assert "True\n" == ended.stdout


@pytest.mark.parametrize("answer", ["", "n\n"])
def test_a_question_is_not_answered_by_ctrl_c(answer):
    """It is no `no`: what ends by a signal says so."""
    reason = "raise KeyboardInterrupt" if not answer else "return 'n'"
    script = (
        "import click.termui\n"
        f"def ask(*_, **__): {reason}\n"
        "click.termui.visible_prompt_func = ask\n"
        "from backfilld.__main__ import main\n"
        "import sys; sys.argv = ['backfilld', 'workflows', 'delete', '3']; main()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (1 if answer else 130) == ended.returncode
