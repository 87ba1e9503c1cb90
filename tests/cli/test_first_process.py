"""As the first process of a container the daemon leaves no zombies, hears signals, and ends with its own code."""

import signal
import subprocess
import sys

import pytest

PATIENCE_SECONDS = 60
# What adopts orphans, as process 1 does; the rest is what a daemon and a program of a workflow do.
SCRIPT = """
import ctypes, os, signal, time
from backfilld.cli.first_process import look_after

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
child = os.fork()
if child != 0:
    look_after(child)
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
reading, writing = os.pipe()
program = os.fork()
if program == 0:
    orphan = os.fork()
    if orphan != 0:
        os.write(writing, str(orphan).encode())
    os._exit(0)
os.waitpid(program, 0)
orphan = int(os.read(reading, 20))
while os.path.exists(f"/proc/{orphan}"):
    time.sleep(0.01)
print("no zombie", flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 7), (signal.SIGABRT, 128 + signal.SIGABRT)])
def test_orphans_are_buried_signals_are_handed_on_and_the_code_is_the_daemon_s(number, code):
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        said = first.stdout.readline()
        first.send_signal(number)
        ended = first.wait(PATIENCE_SECONDS)

    assert b"no zombie\n" == said
    assert code == ended
