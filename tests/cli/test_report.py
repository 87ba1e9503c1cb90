"""`backfilld backfills report`: a file that is there whole or not at all, and whatever is no file stays what it is."""

import asyncio
import os
import stat

from tests.support.stub_daemon import Scripted, a_backfill

ID = a_backfill()["id"]
PATH = f"/public-api/backfills/{ID}/report"
LINES = b"entity_id,status\n7,failed\n"


async def test_it_is_a_file(backfilld, daemon, tmp_path):
    daemon.script("GET", PATH, Scripted(raw=LINES))
    ended = await backfilld("backfills", "report", ID, "--status", "failed", "--output", str(tmp_path / "r.csv"))

    assert 0 == ended.code, ended.err
    assert LINES == (tmp_path / "r.csv").read_bytes()
    assert ["failed"] == daemon.received[-1].query["status"]


async def test_of_one_that_was_cut_off_nothing_is_left(backfilld, daemon, tmp_path):
    (tmp_path / "r.csv").write_bytes(b"yesterday's")
    daemon.script("GET", PATH, Scripted(raw=LINES, hang_up=True))
    ended = await backfilld("backfills", "report", ID, "--output", str(tmp_path / "r.csv"))

    assert 7 == ended.code
    assert {"r.csv": b"yesterday's"} == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


async def test_a_pipe_or_a_device_is_written_to_and_not_replaced(backfilld, daemon, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    daemon.script("GET", PATH, Scripted(raw=LINES))
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    ended = await backfilld("backfills", "report", ID, "--output", str(pipe))
    async with asyncio.timeout(30):
        read = await reading

    assert (0, LINES) == (ended.code, read)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


async def test_a_folder_that_is_not_there_is_named(backfilld, daemon, tmp_path):
    ended = await backfilld("backfills", "report", ID, "--output", str(tmp_path / "nowhere" / "r.csv"))

    assert 1 == ended.code
    assert f"{tmp_path}/nowhere" in ended.err
    assert [] == daemon.received
