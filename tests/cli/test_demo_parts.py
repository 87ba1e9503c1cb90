"""The demo's data and target are the same for everybody, and its folder is its own."""

import asyncio
import subprocess
import sys

import aiohttp
import orjson
import pytest
from standardwebhooks import Webhook

from backfilld.cli.demo import tickets as demo_tickets
from backfilld.cli.demo.folder import Folder, clean_environment
from backfilld.cli.demo.story import FILTER
from backfilld.cli.demo.target import CLOCK, fate
from backfilld.cli.output.error_output import Failure
from backfilld.clock import SystemClock

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBkZW1v"


def tickets() -> list[dict]:
    return [orjson.loads(line) for line in demo_tickets.shipped().splitlines()]


def test_the_shipped_tickets_are_those_that_the_script_writes():
    assert demo_tickets.shipped() == demo_tickets.as_lines(demo_tickets.tickets())


def test_the_tickets_are_many_small_and_each_its_own():
    found = tickets()

    assert 2_000 <= len(found)
    assert len(found) == len({ticket["id"] for ticket in found})
    assert demo_tickets.FILE.stat().st_size < 1_000_000


def test_the_tickets_lack_what_real_ones_lack():
    found = [ticket["attributes"] for ticket in tickets()]

    assert any("category" not in attributes for attributes in found)
    assert any(attributes.get("category", "") is None for attributes in found)
    assert any(attributes["company"] is None for attributes in found)
    assert any(attributes["company"] and "tier" not in attributes["company"] for attributes in found)
    assert 5 <= len({attributes["created_at"][:4] for attributes in found})


def matching() -> list[str]:
    """The demo's filter, said once more in plain words."""
    return [
        ticket["id"]
        for ticket in tickets()
        if (attributes := ticket["attributes"])["status"] in ("closed", "resolved")
        and attributes["priority"] <= 3
        and attributes["created_at"] >= "2023-01-01"
        and (attributes["company"] or {}).get("tier") in ("gold", "silver")
        and attributes.get("category") is None
    ]


def test_the_filter_picks_some_hundreds():
    assert 5 == len(FILTER["rules"])
    assert 300 <= len(matching()) <= 800


def test_every_kind_of_fate_meets_some_ticket_of_the_demo():
    first = {fate(id, 1)[:2] for id in matching()}

    assert {200, 404, 422, 429, 500} == {status for status, _ in first}
    assert (200, "the subject says nothing") in first


def test_no_ticket_fails_for_a_while_longer_than_it_is_tried():
    assert {200, 404, 422} == {fate(id, 3)[0] for id in matching()}


@pytest.fixture(scope="module")
async def target(tmp_path_factory):
    """The address of a target, in a process of its own that ends with its stdin."""
    tmp_path = tmp_path_factory.mktemp("target")
    (tmp_path / "secret").write_text(SECRET)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "backfilld.cli.demo.target", "--while-stdin-is-open",
        "--address-file", str(tmp_path / "address"), "--secret-file", str(tmp_path / "secret"),
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    clock = SystemClock()
    async with asyncio.timeout(10):
        while not (tmp_path / "address").exists():
            await clock.sleep(0.02)
    yield (tmp_path / "address").read_text().strip()
    process.stdin.close()
    async with asyncio.timeout(10):
        assert 0 == await process.wait()


def a_ticket_with(status: int) -> dict:
    wanted = next(id for id in matching() if fate(id, 1)[:2] == (status, "") or fate(id, 1)[0] == status != 200)
    return next(ticket for ticket in tickets() if ticket["id"] == wanted)


async def send(target: str, ticket: dict, *, secret: str = SECRET) -> tuple[int, dict, dict]:
    body = orjson.dumps({"entity": ticket, "attempt": 1})
    now = CLOCK.now()
    headers = {
        "webhook-id": "bf_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("bf_1", now, body.decode()),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{target}/classify", data=body, headers=headers) as response,
    ):
        return response.status, await response.json(), dict(response.headers)


async def test_the_target_classifies_what_is_signed(target):
    status, answer, _ = await send(target, a_ticket_with(200))

    assert 200 == status
    assert "succeeded" == answer["status"]
    assert answer["message"] == f"classified as {answer['result']['category']}"


async def test_the_target_refuses_what_is_signed_with_another_secret(target):
    status, _, _ = await send(target, a_ticket_with(200), secret="whsec_b3RoZXI=")

    assert 401 == status


async def test_the_target_says_when_to_come_back(target):
    status, _, headers = await send(target, a_ticket_with(429))

    assert (429, "1") == (status, headers["Retry-After"])


def test_the_demo_never_meets_somebodys_real_database():
    environ = {"BACKFILLD_DATABASE__DSN": "x", "CREDENTIALS_DIRECTORY": "x", "BACKFILLD_PG_BIN": "/pg", "PATH": "/bin"}

    assert {"BACKFILLD_PG_BIN": "/pg", "PATH": "/bin"} == clean_environment(environ)


def test_a_second_demo_says_that_the_first_still_runs(tmp_path):
    folder = Folder(tmp_path / "demo")
    folder.prepare()
    program = [sys.executable, "-c", "print(flush=True); input()", str(folder.config)]
    daemon = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    daemon.stdout.readline()
    folder.daemon_pid.write_text(f"{daemon.pid}\n")
    try:
        with pytest.raises(Failure, match=f"kill {daemon.pid}"):
            folder.prepare()
    finally:
        daemon.communicate(b"\n")
    folder.prepare()

    assert not folder.daemon_pid.exists()


def test_the_signing_secret_is_nobody_elses_business(tmp_path):
    folder = Folder(tmp_path / "demo")
    folder.prepare()
    once = folder.secret.read_text()
    folder.prepare()

    assert once == folder.secret.read_text()
    assert 0o600 == folder.secret.stat().st_mode & 0o777
