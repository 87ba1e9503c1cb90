"""`backfilld audit-log` and `backfills timeline` tell what was done in lines for people."""

from tests.support.stub_daemon import Scripted, a_backfill

from backfilld.cli.output.audit_table import changed

ID = a_backfill()["id"]
LOG = "/public-api/audit-log"


def an_event(**fields):
    plain = {
        "id": 1, "at": "2027-03-01T12:00:00Z", "actor": "key:1", "actor_name": "ci", "action": "backfill.pause",
        "subject": f"backfill/{ID}", "backfill_id": ID, "reason": "too loud", "request_id": None,
        "old": {"status": "running", "status_reason": None}, "new": {"status": "paused", "status_reason": None},
    }  # fmt: skip
    return plain | fields


async def test_a_line_says_who_did_what_to_what_and_why(backfilld, daemon):
    daemon.script("GET", LOG, Scripted(data={"events": [an_event()]}))
    ended = await backfilld("audit-log")

    assert 0 == ended.code
    for word in ("ci", "backfill.pause", f"backfill/{ID}", "status: running → paused", "too loud"):
        assert word in ended.out


async def test_filters_are_handed_on_and_the_list_is_cut_at_the_limit(backfilld, daemon):
    page = Scripted(data={"events": [an_event(id=id) for id in (3, 2)]}, next_cursor="c")
    daemon.script("GET", LOG, page)
    ended = await backfilld(
        "audit-log", "--actor", "cli", "--action", "backfill", "--since", "2027-03-01T00:00:00Z", "--limit", "3",
        "--json",
    )  # fmt: skip

    assert [3, 2, 3] == [event["id"] for event in ended.json["events"]]
    assert {"who": ["cli"], "action": ["backfill"], "since": ["2027-03-01T00:00:00Z"], "page_size": ["3"]} == (
        daemon.received[0].query
    )


async def test_a_timeline_is_shown_whole_and_without_what_all_lines_share(backfilld, daemon):
    pages = [Scripted(data={"events": [an_event(id=1)]}, next_cursor="c"), Scripted(data={"events": [an_event(id=2)]})]
    daemon.script("GET", f"/public-api/backfills/{ID}/timeline", *pages)
    ended = await backfilld("backfills", "timeline", ID)

    assert 2 == ended.out.count("backfill.pause")
    assert ID not in ended.out


async def test_a_timeline_shows_what_is_asked_for_and_an_outage_as_one_line(backfilld, daemon):
    outage = an_event(
        actor="system", actor_name=None, action="backfill.outage", reason="away", old=None, probes=27,
        new={"status_reason": "target_refuses"}, began_at="2027-03-01T09:06:00Z", ended_at="2027-03-01T09:32:00Z",
    )  # fmt: skip
    daemon.script("GET", f"/public-api/backfills/{ID}/timeline", Scripted(data={"events": [outage]}))
    ended = await backfilld("backfills", "timeline", ID, "--who", "system", "--since", "2027-03-01T00:00:00Z")

    assert "target_refuses until" in ended.out
    assert "(27 times)" in ended.out
    assert {"who": ["system"], "since": ["2027-03-01T00:00:00Z"]}.items() <= daemon.received[0].query.items()


async def test_a_timeline_says_which_attempt_was_killed(backfilld, daemon):
    killed = an_event(
        action="attempt.kill", subject="attempt/7", old=None,
        new={"attempt_id": 7, "session_time": "2027-03-01T00:00:00Z", "name": "again", "workflow": "daily"},
    )  # fmt: skip
    daemon.script("GET", f"/public-api/backfills/{ID}/timeline", Scripted(data={"events": [killed]}))
    ended = await backfilld("backfills", "timeline", ID)

    assert "attempt.kill attempt/7 (session 2027-03-01 00:00:00 +0000)" in ended.out


def test_only_what_differs_is_a_change():
    assert "a: 1 → 2, c: - → x" == changed({"a": 1, "b": 3}, {"a": 2, "b": 3, "c": "x"})
    assert changed(None, {"a": 1}) is None
    assert len(changed({"a": "x" * 1_000}, {"a": "y" * 1_000})) < 150
