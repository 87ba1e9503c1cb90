"""`backfilld brakes …` tells what each brake sees in a line for people."""

from tests.support.stub_daemon import Scripted

PATH = "/public-api/brakes"


def a_brake(**fields):
    plain = {
        "name": "crm_lag", "type": "sql", "holds": False, "hold": None, "value": 3.25, "says": None,
        "last_error": None, "released_until": None, "released_by": None,
    }  # fmt: skip
    return plain | fields


HOLDS = {"holds": True, "hold": {"code": "braked", "message": "14.2 is more than 10.", "since": "2027-03-01T12:00:00Z"}}


async def test_the_list_says_what_holds_and_why(backfilld, daemon):
    brakes = [a_brake(**HOLDS), a_brake(name="freeze", last_error="no answer")]
    daemon.script("GET", PATH, Scripted(data={"brakes": brakes}), Scripted(data={"brakes": brakes}))
    bare, listed = await backfilld("brakes"), await backfilld("brakes", "list", "--json")

    for word in ("crm_lag", "holds", "14.2 is more than 10.", "freeze", "open", "no answer"):
        assert word in bare.out
    assert ["crm_lag", "freeze"] == [one["name"] for one in listed.json["brakes"]]


async def test_a_test_says_what_was_seen_and_what_would_have_been(backfilld, daemon):
    history = {"times": 3, "held_seconds": 840.0, "held_in_windows_seconds": 120.0, "worst": 20.0}
    looked = {
        "brake": a_brake(), "value": 3.25, "says": None, "error": None, "bad": False, "critical": False,
        "took_ms": 12.5, "history": history,
    }  # fmt: skip
    daemon.script("POST", f"{PATH}/crm_lag/test", Scripted(data=looked))
    ended = await backfilld("brakes", "test", "crm_lag", "--since", "7d")

    assert {"since": "7d"} == daemon.received[0].json
    for word in ("3.25", "well", "would have held 3 times"):
        assert word in ended.out


async def test_reset_and_release_say_what_came_of_it(backfilld, daemon):
    done = Scripted(data={"brake": a_brake(), "message": "it is reset"})
    daemon.script("POST", f"{PATH}/crm_lag/reset", done)
    daemon.script("POST", f"{PATH}/crm_lag/release", Scripted(data={"brake": a_brake(), "message": "it holds nothing"}))
    reset = await backfilld("brakes", "reset", "crm_lag", "--reason", "mended")
    released = await backfilld("brakes", "release", "crm_lag", "--until", "2027-03-01T13:00:00Z")

    assert ("it is reset", "it holds nothing") == (reset.out.strip(), released.out.strip())
    assert [{"reason": "mended"}, {"until": "2027-03-01T13:00:00Z"}] == [one.json for one in daemon.received]
