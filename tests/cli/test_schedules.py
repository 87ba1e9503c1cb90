"""`backfilld schedules preview` asks as it was told, and shows both times."""

from datetime import datetime

from tests.support.stub_daemon import Scripted

PATH = "/public-api/schedules/preview"
SESSION = {
    "session_time": "2027-03-14T07:00:00Z",
    "run_time": "2027-03-14T08:00:00Z",
    "session_time_local": "2027-03-14T00:00:00-07:00",
}


async def test_options_are_handed_on(backfilld, daemon):
    daemon.script("POST", PATH, Scripted(data={"sessions": [SESSION]}))
    ended = await backfilld(
        "schedules", "preview", '{"daily>": "01:00:00"}', "--timezone", "America/Denver",
        "--before", "2027-03-15T00:00:00Z", "--count", "1", "--json",
    )  # fmt: skip

    assert {"sessions": [SESSION]} == ended.json
    assert {
        "schedule": {"daily>": "01:00:00"}, "timezone": "America/Denver", "before": "2027-03-15T00:00:00Z", "count": 1,
    } == daemon.received[0].json  # fmt: skip


async def test_left_out_it_looks_from_now_on_and_shows_both_times(backfilld, daemon):
    daemon.script("POST", PATH, Scripted(data={"sessions": [SESSION]}, warnings=("read as UTC",)))
    ended = await backfilld("schedules", "preview", '{"daily>": "01:00:00"}')

    assert 0 == ended.code
    assert datetime.fromisoformat(daemon.received[0].json["from"]).utcoffset() is not None
    for shown in SESSION.values():
        assert shown in ended.out
    assert "read as UTC" in ended.err
