"""The process of a daemon ends when it is told to, whatever its threads do."""

import subprocess
import sys

import pytest

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
def test_a_thread_that_never_ends_keeps_no_daemon(work, end, code):
    script = SCRIPT.format(work=work, end=end)
    ended = subprocess.run([sys.executable, "-c", script], timeout=PATIENCE_SECONDS, capture_output=True, check=False)

    assert code == ended.returncode
    assert b"ended while threads still worked" in ended.stdout + ended.stderr
