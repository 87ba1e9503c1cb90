"""A program is started at the gate, never waits for us, and leaves nothing behind."""

import asyncio
import gc
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop
from tests.support.executing import FreePermit, ShutPermit, work
from tests.support.waiting import eventually

from backfilld.executors.base import NotPermitted
from backfilld.executors.command import bounds
from backfilld.executors.command.executor import CommandExecutor, CommandLimits
from backfilld.executors.definition import CommandExecutor as Definition
from backfilld.executors.secrets import SecretStore

QUICK = CommandLimits(grace_seconds=0.2)


def executor(*argv, limits=QUICK):
    return CommandExecutor(
        Definition(type="command", argv=list(argv)), target="command", secrets=SecretStore(), limits=limits
    )


def shell(script, limits=QUICK):
    return executor("sh", "-c", script, limits=limits)


def lives(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


async def pids_in(file, count):
    def read():
        numbers = file.read_text().split() if file.exists() else []
        return numbers if len(numbers) == count else None

    return [int(number) for number in await eventually(read)]


async def test_behind_a_closed_gate_nothing_runs(tmp_path):
    with pytest.raises(NotPermitted):
        await shell(f"touch {tmp_path}/ran").execute(work(), ShutPermit())

    assert [] == list(tmp_path.iterdir())


class NoTurn(FreePermit):
    """Notices if the event loop gets a turn between the gate and the start."""

    turned = None

    def start(self):
        super().start()
        asyncio.get_running_loop().call_soon(self._turn)
        self.turns = 0

    def _turn(self):
        self.turns += 1

    def sent(self):
        super().sent()
        self.turned = self.turns


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
async def test_between_the_gate_and_the_start_nothing_else_happens(run):
    async def once():
        permit = NoTurn()
        verdict = await shell("exit 0").execute(work(), permit)
        return verdict.kind, permit.started, permit.sent_times, permit.turned

    assert ("succeeded", 1, 1, 0) == await asyncio.to_thread(run, once())


async def test_a_flood_of_output_is_drained_and_forgotten():
    flood = "import sys\nfor _ in range(1000): sys.stdout.write('x' * 100_000); sys.stderr.write('y' * 100_000)"
    verdict = await executor(sys.executable, "-c", flood).execute(work(), FreePermit())

    assert "succeeded" == verdict.kind


async def test_what_takes_too_long_is_ended_and_tried_again():
    verdict = await shell("echo started >&2; sleep 100").execute(work(timeout_seconds=0.3), FreePermit())

    assert ("try_again", "timeout") == (verdict.kind, verdict.error_class)
    assert "not done within 0.3 s: started" == verdict.error


async def test_whoever_ignores_the_request_to_stop_is_killed_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 100 & echo $! $$ >> {pids}; wait; sleep 100"
    verdict = await shell(script).execute(work(timeout_seconds=0.5), FreePermit())
    found = await pids_in(pids, 2)

    assert "timeout" == verdict.error_class
    await eventually(lambda: not any(lives(pid) for pid in found))


async def test_a_program_may_put_its_things_in_order_when_it_is_asked_to_stop(tmp_path):
    script = (
        f"trap 'echo tidy > {tmp_path}/tidy; exit 0' TERM; echo ready > {tmp_path}/ready; while :; do sleep 0.01; done"
    )
    patient = CommandLimits(grace_seconds=20)
    task = asyncio.create_task(shell(script, patient).execute(work(timeout_seconds=100), FreePermit()))
    await eventually((tmp_path / "ready").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (tmp_path / "tidy").exists()


async def test_cancelled_means_over_before_anybody_hears_of_it(tmp_path):
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 100 & echo $! $$ >> {pids}; while :; do wait; done"
    task = asyncio.create_task(shell(script).execute(work(timeout_seconds=100), FreePermit()))
    found = await pids_in(pids, 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not lives(found[1])
    await eventually(lambda: not lives(found[0]))


async def test_cancelled_twice_it_is_killed_at_once(tmp_path):
    pids = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ > {pids}; while :; do sleep 1; done"
    patient = CommandLimits(grace_seconds=100)
    task = asyncio.create_task(shell(script, patient).execute(work(timeout_seconds=100), FreePermit()))
    [pid] = await pids_in(pids, 1)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: not lives(pid))


async def test_what_a_program_leaves_behind_in_its_group_ends_with_it(tmp_path):
    pids = tmp_path / "pids"
    verdict = await shell(f"sleep 100 & echo $! > {pids}; echo done").execute(work(), FreePermit())
    [pid] = await pids_in(pids, 1)

    assert "succeeded" == verdict.kind
    await eventually(lambda: not lives(pid))


async def test_whoever_gets_away_with_the_pipes_open_keeps_nobody_waiting(tmp_path):
    pids = tmp_path / "pids"
    script = f"""setsid sh -c 'echo $$ > {pids}; exec sleep 100' & while [ ! -s {pids} ]; do sleep 0.01; done
        echo '{{"status": "skipped"}}'"""
    verdict = await shell(script).execute(work(), FreePermit())
    [pid] = await pids_in(pids, 1)
    away = lives(pid)
    os.kill(pid, signal.SIGKILL)

    assert ("skipped", True) == (verdict.kind, away)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE, signal.SIGTERM])
async def test_a_program_meets_signals_as_any_other(number):
    before = signal.signal(number, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        verdict = await shell(f"kill -{int(number)} $$; exit 3").execute(work(), FreePermit())
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

        assert ("killed_by_signal", f"killed by {number.name}") == (verdict.error_class, verdict.error)
        assert signal.SIG_IGN is signal.getsignal(number)
        assert number in mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(number, before)


def limited(script, **limits):
    definition = Definition(type="command", argv=[sys.executable, "-c", script], limits=limits)
    return CommandExecutor(definition, target="command", secrets=SecretStore(), limits=QUICK)


# It looks again until it has been bounded: its beginning does not wait for that.
BOUNDED = """
import resource, sys, time
for _ in range(1000):
    points = int(open('/proc/self/oom_score_adj').read())
    found = [resource.getrlimit(what)[0] for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)]
    if points >= {points}:
        break
    time.sleep(0.01)
print('{{"status": "skipped", "result": %s}}' % [points, *found])
"""


def sacrificed_points():
    return min(int(Path("/proc/self/oom_score_adj").read_text()) + 500, 1000)


async def test_a_program_is_held_to_its_limits_and_goes_before_the_daemon():
    points = sacrificed_points()
    script = BOUNDED.format(points=points)
    verdict = await limited(script, memory_mb=500, cpu_seconds=7).execute(work(), FreePermit())

    assert f"[{points},{500 << 20},7,{bounds._SOFT_FILES}]" == verdict.result


async def test_without_limits_a_program_may_take_what_the_daemon_may(monkeypatch):
    script = BOUNDED.format(points=0)
    verdict = await limited(script).execute(work(), FreePermit())
    may = [resource.getrlimit(what)[0] for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU)]

    assert may == json.loads(verdict.result)[1:3]


async def test_who_wants_more_memory_than_it_may_have_gets_none():
    script = "import time; time.sleep(0.2); bytearray(400 << 20)"
    verdict = await limited(script, memory_mb=300).execute(work(), FreePermit())

    assert "exit_1" == verdict.error_class
    assert "MemoryError" in verdict.error


@pytest.mark.slow
async def test_who_takes_more_of_the_processor_than_it_may_is_ended():
    verdict = await limited("while True: pass", cpu_seconds=1).execute(work(), FreePermit())

    assert ("try_again", "killed_by_signal") == (verdict.kind, verdict.error_class)
    assert verdict.error.startswith("killed by SIGXCPU")


async def test_programs_do_not_inherit_that_the_daemon_has_raised_its_limit_of_files(monkeypatch):
    monkeypatch.setattr(bounds, "_SOFT_FILES", 321)
    points = sacrificed_points()
    verdict = await limited(BOUNDED.format(points=points)).execute(work(), FreePermit())

    assert 321 == json.loads(verdict.result)[3]


@pytest.mark.parametrize("script", ["echo a; exit 0", "exit 1", "kill -9 $$", "sleep 100"])
async def test_no_descriptor_is_left_open(script):
    there = shell(script)
    await there.execute(work(timeout_seconds=0.2), FreePermit())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    await there.execute(work(timeout_seconds=0.2), FreePermit())

    assert before == len(os.listdir("/proc/self/fd"))


async def test_where_the_kernel_does_not_tell_of_an_end_it_is_found_out(monkeypatch):
    def unknown(_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", unknown)
    verdict = await shell("sleep 0.1; exit 9").execute(work(), FreePermit())

    assert "exit_9" == verdict.error_class


async def test_without_files_in_memory_the_item_comes_in_one_on_disk(monkeypatch):
    def unknown(_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "memfd_create", unknown)
    verdict = await shell("grep -q '\"T-1\"' || exit 9").execute(work(), FreePermit())

    assert "succeeded" == verdict.kind


async def test_many_at_once_are_told_apart():
    there = shell('exit "$BACKFILLD_ATTEMPT"')
    verdicts = await asyncio.gather(*(there.execute(work(attempt=n), FreePermit()) for n in range(1, 31)))

    assert [f"exit_{n}" for n in range(1, 31)] == [verdict.error_class for verdict in verdicts]
