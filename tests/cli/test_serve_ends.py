"""The process of a daemon ends when it is told to, whatever its threads do."""

import asyncio
import os
import signal

import pytest
from tests.support import nursery

PATIENCE_SECONDS = 60
SCRIPT = """
import asyncio, threading, time
import backfilld.app
from backfilld.cli import serve

class Daemon:
    def __init__(self, *_, **__): pass
    def stop(self): pass
    reload = stop

    async def run(self):
        begun = threading.Event()
        def work():
            begun.set()
            {work}
        asyncio.get_running_loop().run_in_executor(None, work)
        begun.wait()
        {end}

backfilld.app.Daemon = Daemon
serve.THREADS_GET_SECONDS = 0.1
serve.command.main([])
"""


@pytest.mark.parametrize("work", ["time.sleep(3600)", "while True: pass"], ids=["waits", "computes"])
@pytest.mark.parametrize(("end", "code"), [("", 0), ("raise OSError('broken')", 1)], ids=["stopped", "broken"])
async def test_a_thread_that_never_ends_keeps_no_daemon(tmp_path, work, end, code):
    (tmp_path / "stuck_daemon.py").write_text(SCRIPT.format(work=work, end=end))
    said = tmp_path / "said"
    with said.open("wb") as output:
        daemon = nursery.start("stuck_daemon", environment=os.environ | {"PYTHONPATH": str(tmp_path)}, output=output)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            ended = await daemon.wait()
    finally:
        if daemon.returncode is None:
            os.kill(daemon.pid, signal.SIGKILL)

    assert code == ended
    assert b"ended while threads still worked" in said.read_bytes()
