"""How far a backfill is, and where watching one ends that waits for somebody."""

import pytest
from tests.support.stub_daemon import Scripted, a_backfill, event

from backfilld.cli.output.backfill_text import share

ID = a_backfill()["id"]
WATCHED = f"/public-api/backfills/{ID}/events"
CREATED = Scripted(201, {"backfill": a_backfill(status="planning"), "cost_estimate": {"total_entities": 10}})
CREATE = (
    "backfills", "create", "--entity-type", "ticket", "--filter", "{}", "--workflow", "7", "--window",
    "daily 00:00-24:00", "--max-in-flight", "5", "--watch",
)  # fmt: skip


def held(code):
    why = {"code": code, "message": "Look at it, then resume.", "since": "2027-03-01T12:00:00Z", "until": None}
    return a_backfill(status="paused", status_reason=why)


def stream(*backfills):
    return Scripted(raw=b"".join(event("progress", number, backfill) for number, backfill in enumerate(backfills)))


@pytest.mark.parametrize("code", ["sample_done", "awaiting_approval"])
async def test_watching_what_was_created_ends_where_somebody_has_to_look_at_it(backfilld, daemon, code):
    daemon.script("POST", "/public-api/backfills", CREATED)
    daemon.script("GET", WATCHED, stream(a_backfill(), held(code), a_backfill(status="running")))
    ended = await backfilld(*CREATE, "--sample-size", "3")

    assert 11 == ended.code
    assert "paused: Look at it, then resume." in ended.out
    assert f"backfills resume {ID}" in ended.out


async def test_a_pause_by_somebody_else_is_waited_out(backfilld, daemon):
    done = event("end", 3, a_backfill(status="completed", processed_count=10, completed_at="2027-03-01T12:01:01Z"))
    daemon.script("POST", "/public-api/backfills", CREATED)
    daemon.script("GET", WATCHED, Scripted(raw=event("progress", 1, held("paused_by_user")) + done))
    ended = await backfilld(*CREATE)

    assert 0 == ended.code


async def test_whoever_only_watches_sees_it_to_its_end(backfilld, daemon):
    done = event("end", 3, a_backfill(status="completed", processed_count=10, completed_at="2027-03-01T12:01:01Z"))
    daemon.script("GET", WATCHED, Scripted(raw=event("progress", 1, held("sample_done")) + done))
    ended = await backfilld("backfills", "watch", ID)

    assert 0 == ended.code


async def test_how_long_it_took_counts_from_its_creation(backfilld, daemon):
    times = {
        "created_at": "2027-03-01T12:00:00Z",
        "started_at": "2027-03-01T12:00:50Z",
        "completed_at": "2027-03-01T12:01:02Z",
    }
    daemon.script("GET", WATCHED, Scripted(raw=event("end", 1, a_backfill(status="completed", **times))))
    ended = await backfilld("backfills", "watch", ID)

    assert "completed in 1 min 2 s" in ended.out


@pytest.mark.parametrize(
    ("backfill", "shown"),
    [
        (a_backfill(total_entities=None, to_run_count=None, processed_count=150), "0/?"),
        (a_backfill(total_entities=5000, to_run_count=4850, processed_count=150), "0/4,850 (0%)"),
        (a_backfill(total_entities=5000, to_run_count=4850, processed_count=2575), "2,425/4,850 (50%)"),
        (a_backfill(total_entities=5000, to_run_count=0, processed_count=5000), "0/0"),
    ],
)
def test_what_planning_left_out_is_neither_done_nor_to_be_done(backfill, shown):
    assert shown == share(backfill)
