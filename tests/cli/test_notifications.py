"""`backfilld notifications …` tells who hears of what, and what did not arrive."""

from tests.support.stub_daemon import Scripted

PATH = "/public-api/notifications"
ENDPOINT = {
    "name": "oncall", "format": "slack", "origin": "https://hooks.slack.com", "enabled": True, "pending": 1, "dead": 2,
    "last_delivered_at": None,
}  # fmt: skip


async def test_the_list_says_where_messages_go_and_what_did_not_arrive(backfilld, daemon):
    daemon.script("GET", PATH, Scripted(data={"notifications": [ENDPOINT]}))
    ended = await backfilld("notifications", "list")

    for word in ("oncall", "slack", "https://hooks.slack.com", "on"):
        assert word in ended.out


async def test_a_test_that_does_not_arrive_is_an_error(backfilld, daemon):
    sent = {"delivered": False, "http_status": 500, "error": "it answers HTTP 500", "took_ms": 3.5}
    daemon.script("POST", f"{PATH}/oncall/test", Scripted(data=sent | {"delivered": True}), Scripted(data=sent))
    arrived = await backfilld("notifications", "test", "oncall")
    failed = await backfilld("notifications", "test", "oncall")

    assert (0, 1) == (arrived.code, failed.code)
    assert "it arrived" in arrived.out
    assert "it answers HTTP 500" in failed.out


async def test_messages_are_listed_and_sent_again(backfilld, daemon):
    one = {
        "id": "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11", "created_at": "2027-03-01T12:00:00Z", "event": "stopped",
        "state": "dead", "attempts": 8, "last_error": "it answers HTTP 500",
    }  # fmt: skip
    daemon.script("GET", f"{PATH}/oncall/deliveries", Scripted(data={"deliveries": [one]}))
    daemon.script("POST", f"{PATH}/oncall/deliveries/resend", Scripted(data={"resent": 3}))
    daemon.script("POST", f"{PATH}/oncall/deliveries/{one['id']}/resend", Scripted(data={"resent": 1}))
    listed = await backfilld("notifications", "deliveries", "oncall", "--state", "dead")
    every, single = (
        await backfilld("notifications", "resend", "oncall"),
        await backfilld("notifications", "resend", "oncall", one["id"][:8]),
    )

    assert ["dead"] == daemon.received[0].query["state"]
    for word in (one["id"], "stopped", "it answers HTTP 500"):
        assert word in listed.out
    assert ("3 sent again", "1 sent again") == (every.out.strip(), single.out.strip())
