"""`backfilld targets` tells in lines how the systems are that workflows send to."""

import pytest
from tests.support.stub_daemon import Scripted

WELL = {
    "target": "https://crm.example", "state": "closed", "since": None, "last_error": None, "paused_until": None,
    "refuses": [], "workflows": ["classify", "notify"], "budget": None,
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), [
    ({}, ["https://crm.example", "well", "classify, notify"]),
    ({"state": "open", "since": "2027-03-01T12:00:00Z", "last_error": "nobody listens"}, ["open", "nobody listens"]),
    ({"refuses": [{"workflow": "notify", "since": "2027-03-01T12:00:00Z"}]}, ["refuses notify"]),
    ({"paused_until": "2027-03-01T12:00:00Z"}, ["paused until 2027-03-01"]),
    ({"budget": {"name": "crm", "starts_per_minute": 30.0, "reserve_for_live": 0.1, "waiting": 2}}, ["30/min, 2 wait"]),
])  # fmt: skip
async def test_a_line_says_how_a_target_is(backfilld, daemon, changes, words):
    daemon.script("GET", "/public-api/targets", Scripted(data={"targets": [WELL | changes]}))
    ended = await backfilld("targets")

    assert 0 == ended.code, ended.err
    assert [] == [word for word in words if word not in ended.out]
