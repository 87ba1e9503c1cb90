"""Processes that are forked instead of imported anew differ in nothing that a test could see."""

import os
import signal

import pytest
from tests.support import nursery

import backfilld


@pytest.fixture
def files(tmp_path):
    with (tmp_path / "output").open("w+b") as output, (tmp_path / "errors").open("w+b") as errors:
        yield {"output": output, "errors": errors}


def said(file):
    file.seek(0)
    return file.read().decode()


async def test_a_command_says_what_it_says_and_ends_as_it_ends(files):
    version = nursery.start("backfilld", "--version", environment=os.environ, **files)
    assert 0 == await version.wait()

    unknown = nursery.start("backfilld", "unknown-word", environment={}, **files)
    assert 2 == await unknown.wait()

    assert f"backfilld {backfilld.__version__}\n" == said(files["output"])
    assert "unknown-word" in said(files["errors"])


async def test_its_environment_is_the_one_that_was_given_and_it_leads_a_session(files, tmp_path):
    (tmp_path / "tell_where_it_is.py").write_text(
        "import os, sys\n"
        "files = len(os.listdir('/proc/self/fd'))\n"
        "print(sorted(os.environ), os.getcwd(), os.getsid(0) == os.getpid(), sys.argv[1:], files)"
    )
    place = tmp_path / "place"
    place.mkdir()
    here = os.getcwd()
    os.chdir(place)
    try:
        environment = {"A": "1", "PYTHONPATH": str(tmp_path)}
        child = nursery.start("tell_where_it_is", "x", "y", environment=environment, **files)
    finally:
        os.chdir(here)

    assert 0 == await child.wait(), said(files["errors"])
    assert f"['A', 'PYTHONPATH'] {place} True ['x', 'y'] 4\n" == said(files["output"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_what_ended_it_is_told(files, tmp_path, number):
    (tmp_path / "sleeps.py").write_text("import time; print('here', flush=True); time.sleep(60)")
    child = nursery.start("sleeps", environment={"PYTHONPATH": str(tmp_path)}, **files)
    assert child.returncode is None

    os.kill(child.pid, number)

    assert -number == await child.wait()
    assert -number == child.returncode
