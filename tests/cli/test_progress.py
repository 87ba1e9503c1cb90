"""`backfilld backfills progress` says how a backfill went, and why it stood still."""

import pytest
from tests.support.stub_daemon import Scripted, a_backfill

ID = a_backfill()["id"]
PATH = f"/public-api/backfills/{ID}/progress"


def sample(minute: int, succeeded: int, failed: int, **values: object) -> dict[str, object]:
    counters = dict.fromkeys(("skipped", "cancelled", "retrying", "in_flight"), 0)
    at = f"2027-03-01T12:{minute:02}:00Z"
    sample = {"at": at, "succeeded": succeeded, "failed": failed, "credits": 0.0, "reason_code": None}
    return counters | sample | values


SAMPLES = [
    sample(1, 10, 0, in_flight=5),
    sample(2, 1_200, 3, in_flight=5, credits=600.5),
    sample(3, 1_200, 3, retrying=2, credits=600.5, reason_code="target_unreachable"),
]


async def test_each_line_says_what_ended_since_the_one_before_and_what_stood_in_the_way(backfilld, daemon):
    daemon.script("GET", PATH, Scripted(data={"samples": SAMPLES, "step": 60}))
    ended = await backfilld("backfills", "progress", ID)
    lines = [line.split()[3:] for line in ended.out.splitlines()[1:]]  # behind date, time and offset

    assert 0 == ended.code, ended.err
    assert [
        ["-", "10", "0", "0", "0", "0", "5", "0", "-"],
        ["1,193", "1,200", "3", "0", "0", "0", "5", "600.5", "-"],
        ["0", "1,200", "3", "0", "0", "2", "0", "600.5", "target_unreachable"],
    ] == lines


async def test_programs_get_the_samples_as_they_are(backfilld, daemon):
    daemon.script("GET", PATH, Scripted(data={"samples": SAMPLES, "step": 300}))
    ended = await backfilld(
        "backfills", "progress", ID, "--from", "2027-03-01T12:00:00Z", "--to", "2027-03-02T00:00:00Z", "--step", "300",
        "--json",
    )  # fmt: skip

    assert {"samples": SAMPLES, "step": 300} == ended.json
    assert {"from": ["2027-03-01T12:00:00Z"], "to": ["2027-03-02T00:00:00Z"], "step": ["300"]} == (
        daemon.received[0].query
    )


@pytest.mark.parametrize("step", ["59", "604801", "soon"])
async def test_a_step_that_no_daemon_knows_is_refused_at_once(backfilld, daemon, step):
    ended = await backfilld("backfills", "progress", ID, "--step", step)

    assert 2 == ended.code
    assert [] == daemon.received


async def test_before_anything_is_known_it_says_so(backfilld, daemon):
    daemon.script("GET", PATH, Scripted(data={"samples": [], "step": 60}))
    ended = await backfilld("backfills", "progress", ID)

    assert "Nothing is known yet." in ended.err
