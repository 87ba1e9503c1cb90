"""`backfilld backfills …` asks for what was meant, and says what came of it."""

import orjson
import pytest
from tests.support.stub_daemon import Scripted, a_backfill, event

ID = a_backfill()["id"]
CREATE = (
    "backfills", "create", "--entity-type", "ticket", "--filter", '{"status": "closed"}', "--workflow", "7",
    "--window", "mon-tue 22:00-06:00", "--max-in-flight", "5",
)  # fmt: skip
CREATED = Scripted(201, {"backfill": a_backfill(status="planning"), "cost_estimate": {"total_entities": 10}})


async def test_options_become_the_body_of_a_request(backfilld, daemon, tmp_path):
    daemon.script("POST", "/public-api/backfills", CREATED)
    ids = tmp_path / "ids"
    ids.write_text("17\n\n 18 \n")
    ended = await backfilld(
        *CREATE, "--window", "sat 00:00-24:00", "--timezone", "Asia/Tokyo", "--name", "old tickets", "--order",
        "newest_first", "--reprocess", "completed", "--sample-size", "20", "--max-attempts", "4", "--start",
        "when_approved", "--exclude-date", "2027-12-24", "--params", '{"mode": "fast"}', "--total-estimated", "12",
        "--failure-policy", '{"window": 100}',
        "--starts-per-minute", "0.5", "--max-credits", "100",
        "--entity-ids-file", str(ids), "--idempotency-key", "k1",
    )  # fmt: skip
    night = [{"run_start_time": "22:00", "run_end_time": "06:00"}]

    assert 0 == ended.code, ended.err
    assert "k1" == daemon.received[0].headers["Idempotency-Key"]
    assert {
        "entity_type": "ticket",
        "filter_spec": {"status": "closed"},
        "target_workflow_id": 7,
        "daily_execution_windows": {
            "monday": night,
            "tuesday": night,
            "saturday": [{"run_start_time": "00:00", "run_end_time": "24:00"}],
        },
        "max_in_flight": 5,
        "timezone": "Asia/Tokyo",
        "name": "old tickets",
        "order": "newest_first",
        "reprocess_behavior": "completed",
        "sample_size": 20,
        "max_attempts": 4,
        "failure_policy": {"window": 100},
        "starts_per_minute": 0.5,
        "max_credits": 100.0,
        "start": "when_approved",
        "excluded_dates": ["2027-12-24"],
        "params": {"mode": "fast"},
        "total_estimated": 12,
        "entity_ids": ["17", "18"],
    } == daemon.received[0].json


@pytest.mark.parametrize(("said", "sent"), [("off", {"enabled": False}), ('{"min_sample": 5}', {"min_sample": 5})])
async def test_a_failure_policy_is_switched_off_by_a_word(backfilld, daemon, said, sent):
    daemon.script("POST", "/public-api/backfills", CREATED)
    ended = await backfilld(*CREATE, "--failure-policy", said)

    assert 0 == ended.code, ended.err
    assert sent == daemon.received[0].json["failure_policy"]


async def test_what_is_not_given_is_left_to_the_daemon(backfilld, daemon):
    daemon.script("POST", "/public-api/backfills", CREATED)
    await backfilld(*CREATE)

    assert {"entity_type", "filter_spec", "target_workflow_id", "daily_execution_windows", "max_in_flight"} == set(
        daemon.received[0].json
    )


async def test_a_filter_may_come_from_a_file(backfilld, daemon, tmp_path):
    daemon.script("POST", "/public-api/backfills", CREATED)
    file = tmp_path / "filter.json"
    file.write_text('{"priority": [1, 2]}')
    arguments = ["@" + str(file) if argument == '{"status": "closed"}' else argument for argument in CREATE]
    await backfilld(*arguments)

    assert {"priority": [1, 2]} == daemon.received[0].json["filter_spec"]


async def test_everything_is_never_meant_by_leaving_the_filter_out(backfilld, daemon):
    arguments = [argument for argument in CREATE if argument not in ("--filter", '{"status": "closed"}')]
    ended = await backfilld(*arguments)

    assert 2 == ended.code
    assert "--filter '{}'" in ended.err
    assert [] == daemon.received


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ('{"status": "closed"}', "{status: closed}", "is not JSON"),
        ('{"status": "closed"}', "@nowhere.json", "No such file"),
        ("mon-tue 22:00-06:00", "mon-tue 9:00-17:00", "HH:MM"),
        ("mon-tue 22:00-06:00", "frday 22:00-06:00", "did you mean 'friday'?"),
        ("5", "five", "not a valid integer"),
    ],
)
async def test_a_bad_option_is_told_before_anything_is_sent(backfilld, daemon, replaced, by, said):
    ended = await backfilld(*(by if argument == replaced else argument for argument in CREATE))

    assert 2 == ended.code
    assert said in ended.err
    assert [] == daemon.received


async def test_a_workflow_may_be_named(backfilld, daemon):
    known = [{"id": 4, "project": "default", "name": "enrich"}, {"id": 9, "project": "default", "name": "classify"}]
    daemon.script("GET", "/public-api/workflows", Scripted(data={"workflows": known}))
    daemon.script("POST", "/public-api/backfills", CREATED)
    await backfilld(*("classify" if argument == "7" else argument for argument in CREATE))

    assert 9 == daemon.sent("POST", "/public-api/backfills")[0].json["target_workflow_id"]


async def test_an_unknown_workflow_is_answered_with_the_nearest(backfilld, daemon):
    known = [{"id": 9, "project": "default", "name": "classify"}]
    daemon.script("GET", "/public-api/workflows", Scripted(data={"workflows": known}))
    ended = await backfilld(*("clasify" if argument == "7" else argument for argument in CREATE))

    assert 3 == ended.code
    assert "did you mean 'classify'?" in ended.err


async def test_warnings_stay_out_of_the_json(backfilld, daemon):
    daemon.script("POST", "/public-api/backfills", Scripted(201, CREATED.data, warnings=("UTC is assumed",)))
    ended = await backfilld(*CREATE, "--json")

    assert ID == ended.json["backfill"]["id"]
    assert "Warning: UTC is assumed" in ended.err


DETAILS = [
    {"path": "/max_in_flight", "code": "out_of_range", "message": "must be 1 to 10"},
    {"path": "/entity_type", "code": "unknown", "message": "is unknown", "allowed": ["ticket"]},
]


async def test_every_fault_is_shown(backfilld, daemon):
    refusal = Scripted(422, error={"code": "invalid", "message": "2 faults", "details": DETAILS})
    daemon.script("POST", "/public-api/backfills", refusal)
    ended = await backfilld(*CREATE)

    assert 2 == ended.code
    assert "" == ended.out
    assert "/max_in_flight: must be 1 to 10" in ended.err
    assert "/entity_type: is unknown (allowed: ticket)" in ended.err


async def test_errors_are_json_too_if_json_was_asked_for(backfilld, daemon):
    refusal = Scripted(422, error={"code": "invalid", "message": "2 faults", "details": DETAILS})
    daemon.script("POST", "/public-api/backfills", refusal)
    ended = await backfilld(*CREATE, "--json")

    assert "" == ended.out
    assert ["/max_in_flight", "/entity_type"] == [
        fault["path"] for fault in orjson.loads(ended.err)["error"]["details"]
    ]


@pytest.mark.parametrize(
    ("status", "code"), [(401, 8), (403, 8), (404, 3), (409, 4), (412, 4), (422, 2), (500, 1)]
)  # fmt: skip
async def test_the_exit_code_tells_why_it_was_refused(backfilld, daemon, status, code):
    daemon.script("POST", f"/public-api/backfills/{ID}/pause", Scripted(status, error={"code": "x", "message": "no"}))
    ended = await backfilld("backfills", "pause", ID)

    assert code == ended.code
    assert "Error: no" in ended.err


async def test_a_daemon_that_is_not_there_has_an_exit_code_of_its_own(backfilld, unused_tcp_port):
    ended = await backfilld("backfills", "list", "--url", f"http://127.0.0.1:{unused_tcp_port}")

    assert 7 == ended.code
    assert "nobody answers" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("option", "value"), [("--url", "localhost:8642"), ("--api-key", "neo\nsk")])
async def test_an_address_or_key_that_cannot_be_one_is_told_at_once(backfilld, option, value):
    ended = await backfilld("backfills", "list", option, value)

    assert 2 == ended.code
    assert option in ended.err


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "try-now"])
async def test_steering_hands_the_reason_on(backfilld, daemon, verb):
    answer = {"backfill_id": ID, "signal": verb, "message": "done", "backfill": a_backfill()}
    daemon.script("POST", f"/public-api/backfills/{ID}/{verb}", Scripted(202, answer))
    ended = await backfilld("backfills", verb, ID, "--reason", "month end")

    assert 0 == ended.code
    assert {"reason": "month end"} == daemon.received[0].json
    assert f"{ID}: done\n" == ended.out


@pytest.mark.parametrize(("said", "deleted"), [("y\n", True), ("n\n", False), ("", False)])
async def test_deleting_shows_what_would_go_and_asks_first(backfilld, daemon, said, deleted):
    daemon.script("GET", f"/public-api/backfills/{ID}", Scripted(200, {"backfill": a_backfill(status="completed")}))
    daemon.script("DELETE", f"/public-api/backfills/{ID}", Scripted(204, None))
    ended = await backfilld("backfills", "delete", ID, "--reason", "wrong filter", stdin=said)

    assert "'tickets': completed, 10 ticket items, nothing yet" in ended.err
    assert ([{"reason": "wrong filter"}] if deleted else []) == [
        sent.json for sent in daemon.sent("DELETE", f"/public-api/backfills/{ID}")
    ]
    assert (0 if deleted else 1) == ended.code


async def test_with_yes_it_deletes_without_a_question(backfilld, daemon):
    daemon.script("DELETE", f"/public-api/backfills/{ID}", Scripted(204, None))
    ended = await backfilld("backfills", "delete", ID, "--yes")

    assert (0, "DELETE") == (ended.code, daemon.received[0].method)
    assert ended.out.startswith(f"{ID}: deleted")


async def test_show_says_what_the_daemon_warns_of(backfilld, daemon):
    said = "changed since it was approved by anna: max_in_flight"
    daemon.script("GET", f"/public-api/backfills/{ID}", Scripted(200, {"backfill": a_backfill()}, warnings=(said,)))
    ended = await backfilld("backfills", "show", ID)

    assert said in ended.err


async def test_cancelling_what_is_in_flight_has_to_be_asked_for(backfilld, daemon):
    answer = {"backfill_id": ID, "signal": "cancel", "message": "done", "backfill": a_backfill()}
    daemon.script("POST", f"/public-api/backfills/{ID}/cancel", Scripted(202, answer))
    await backfilld("backfills", "cancel", ID)
    await backfilld("backfills", "cancel", ID, "--in-flight", "cancel")

    assert b"" == daemon.received[0].body
    assert {"in_flight": "cancel"} == daemon.received[1].json


async def test_what_is_to_be_changed_is_sent_and_nothing_else(backfilld, daemon):
    daemon.script("PATCH", f"/public-api/backfills/{ID}", Scripted(200, {"backfill": a_backfill()}))
    ended = await backfilld(
        "backfills", "edit", ID, "--max-in-flight", "2", "--window", "mon 22:00-06:00", "--exclude-date", "2027-12-24",
        "--default", "name", "--default", "max_attempts", "--reason", "too much load", "--if-version", "7",
    )  # fmt: skip
    (received,) = daemon.received

    assert (0, '"7"') == (ended.code, received.headers["If-Match"])
    assert {
        "max_in_flight": 2, "excluded_dates": ["2027-12-24"], "name": None, "max_attempts": None,
        "daily_execution_windows": {"monday": [{"run_start_time": "22:00", "run_end_time": "06:00"}]},
        "reason": "too much load",
    } == received.json  # fmt: skip


async def test_an_override_is_given_or_ended(backfilld, daemon):
    answer = {"backfill_id": ID, "signal": "override", "message": "open", "backfill": a_backfill()}
    daemon.script("POST", f"/public-api/backfills/{ID}/override", Scripted(202, answer))
    daemon.script("DELETE", f"/public-api/backfills/{ID}/override", Scripted(204))
    given = await backfilld("backfills", "override", ID, "--until", "2027-03-01T18:00:00Z", "--reason", "month end")
    ended = await backfilld("backfills", "override", ID, "--end")
    neither = await backfilld("backfills", "override", ID)

    assert (f"{ID}: open\n", 0, 2) == (given.out, ended.code, neither.code)
    assert {"until": "2027-03-01T18:00:00Z", "reason": "month end"} == daemon.received[0].json


async def test_a_rerun_by_status_may_only_be_counted(backfilld, daemon):
    daemon.script("POST", f"/public-api/backfills/{ID}/rerun", Scripted(200, {"count": 1200}))
    ended = await backfilld("backfills", "rerun", ID, "--status", "skipped", "--status", "failed", "--dry-run")

    assert (0, "It would cover 1,200.\n") == (ended.code, ended.out)
    assert {"status": ["skipped", "failed"], "dry_run": True} == daemon.received[0].json


async def test_nothing_is_changed_and_restored_at_once(backfilld, daemon):
    ended = await backfilld("backfills", "edit", ID, "--name", "night", "--default", "name")

    assert (2, []) == (ended.code, daemon.received)
    assert "name cannot be given and restored at once" in ended.err


async def test_the_list_is_cut_at_the_limit(backfilld, daemon):
    page = Scripted(data={"backfills": [a_backfill(id=str(number)) for number in range(3)]}, next_cursor="more")
    daemon.script("GET", "/public-api/backfills", page)
    ended = await backfilld("backfills", "list", "--limit", "2", "--status", "running", "--status", "paused", "--json")

    assert ["0", "1"] == [backfill["id"] for backfill in ended.json["backfills"]]
    assert ["running", "paused"] == daemon.received[0].query["status"]


async def test_show_says_why_nothing_starts(backfilld, daemon):
    why = {
        "code": "outside_window",
        "message": "opens tonight",
        "since": "2027-03-01T12:00:00Z",
        "until": "2027-03-01T22:00:00Z",
    }
    backfill = a_backfill(status="waiting", status_reason=why, processed_count=4, succeeded_count=4)
    daemon.script("GET", f"/public-api/backfills/{ID}", Scripted(data={"backfill": backfill}))
    ended = await backfilld("backfills", "show", ID)

    assert 0 == ended.code
    assert "opens tonight (outside_window" in ended.out
    assert "4/10 (40%)" in ended.out


async def test_named_ids_are_told_by_their_number_and_digest(backfilld, daemon):
    backfill = a_backfill(filter_spec={}, entity_ids=["1"], entity_ids_count=5000, entity_ids_digest="9f86d081")
    daemon.script("GET", f"/public-api/backfills/{ID}", Scripted(data={"backfill": backfill}))
    ended = await backfilld("backfills", "show", ID)

    assert "5,000 named ids (SHA-256 9f86d081)" in ended.out
    assert "{}" not in ended.out


async def test_a_filter_that_looks_wrong_is_told_and_fails(backfilld, daemon):
    verified = {"matching_entities": 0, "success": False, "level": "ERROR", "message": "priority is text", "sample": []}
    daemon.script("POST", "/public-api/backfills/verify", Scripted(data=verified))
    ended = await backfilld("backfills", "verify", "--entity-type", "ticket", "--filter", '{"priority": 1}')

    assert 1 == ended.code
    assert "ERROR: priority is text" in ended.out


async def test_a_rerun_of_one_kind_of_failure(backfilld, daemon):
    daemon.script("POST", f"/public-api/backfills/{ID}/rerun-failed", CREATED)
    ended = await backfilld("backfills", "rerun-failed", ID, "--error-class", "http_404")

    assert 0 == ended.code
    assert {"error_class": "http_404"} == daemon.received[0].json


WATCHED = f"/public-api/backfills/{ID}/events"


@pytest.mark.parametrize(
    ("status", "code"), [("completed", 0), ("completed_with_failures", 5), ("cancelled", 6), ("failed", 6)]
)
async def test_watching_ends_with_the_backfill_and_says_how(backfilld, daemon, status, code):
    done = a_backfill(status=status, processed_count=10, succeeded_count=10, completed_at="2027-03-01T12:01:01Z")
    daemon.script("GET", WATCHED, Scripted(raw=event("progress", 1, a_backfill()) + event("end", 2, done)))
    ended = await backfilld("backfills", "watch", ID)

    assert code == ended.code
    assert f"{status.replace('_', ' ')} in 1 min 1 s: 10 succeeded" in ended.out


async def test_watching_without_a_terminal_names_each_kind_of_failure_once(backfilld, daemon):
    some = a_backfill(processed_count=5, failed_count=2, succeeded_count=3)
    more = some | {"processed_count": 6, "failed_count": 3}
    done = more | {"status": "completed_with_failures"}
    stream = event("progress", 1, some) + event("progress", 2, more) + event("end", 3, done)
    daemon.script("GET", WATCHED, Scripted(raw=stream))
    failed = {"error_class": "http_404", "message": "no ticket ‹…›", "count": 2, "entity_ids": ["17", "18"]}
    daemon.script("GET", f"/public-api/backfills/{ID}/errors", Scripted(data={"errors": [failed]}))
    ended = await backfilld("backfills", "watch", ID)

    assert 1 == ended.out.count("2 × http_404: no ticket ‹…›, as 17")
    assert "\x1b" not in ended.out


async def test_failures_are_gathered_by_what_was_said_of_them(backfilld, daemon):
    """The daemon groups what failed; what waits for another try is gathered from the ledger."""
    said = [("1", "http_404", "no ticket 1"), ("2", "http_500", "out of memory"), ("3", "http_404", "no ticket 3")]
    waiting = [{"entity_id": id, "error_class": kind, "error": error} for id, kind, error in said]
    failed = {"error_class": "timeout", "message": "no answer within ‹…› s", "count": 7, "entity_ids": ["9"]}
    daemon.script("GET", f"/public-api/backfills/{ID}/errors", Scripted(data={"errors": [failed]}))
    daemon.script("GET", f"/public-api/backfills/{ID}/entities", Scripted(data={"entities": waiting}))
    ended = await backfilld("backfills", "errors", ID, "--json")

    assert [
        {"error_class": "http_404", "message": "no ticket ‹…›", "count": 2, "entity_ids": ["1", "3"]},
        {"error_class": "http_500", "message": "out of memory", "count": 1, "entity_ids": ["2"]},
    ] == ended.json["retrying"]
    assert [failed] == ended.json["errors"]
    assert ["retrying"] == daemon.received[1].query["status"]


async def test_what_waits_for_another_try_is_an_error_that_is_shown(backfilld, daemon):
    item = {"entity_id": "7", "error_class": "http_500", "error": "out of memory"}
    daemon.script("GET", f"/public-api/backfills/{ID}/errors", Scripted(data={"errors": []}))
    daemon.script("GET", f"/public-api/backfills/{ID}/entities", Scripted(data={"entities": [item]}))
    ended = await backfilld("backfills", "errors", ID)

    assert "No failures so far." in ended.err
    assert "1 waiting for another try, after" in ended.out
    assert "http_500" in ended.out
    assert "out of memory" in ended.out


async def test_a_preview_is_told_in_the_zone_of_its_windows(backfilld, daemon):
    opening = {"opens_at_local": "2027-03-01T22:00:00.123456+01:00", "closes_at_local": None}
    windows = {"monday": [{"run_start_time": "22:00:00", "run_end_time": "06:00:30"}]}
    data = {
        "total_entities": 3, "to_run_count": 3, "estimated_start_at": "2027-03-01T21:00:00Z", "openings": [opening],
        "effective_windows": windows,
    }  # fmt: skip
    daemon.script("POST", "/public-api/backfills/preview", Scripted(data=data))
    ended = await backfilld("backfills", "preview", *CREATE[2:], "--timezone", "Europe/Berlin")

    assert "starts about  2027-03-01 22:00:00 +0100" in ended.out
    assert "  2027-03-01 22:00:00 +0100 to further notice" in ended.out
    assert "mon 22:00-06:00:30" in ended.out


async def test_a_preview_needs_no_workflow_and_says_what_is_known(backfilld, daemon):
    limits = [{"what": "starts_per_minute", "value": 10, "in_use": None, "name": None, "items_per_minute": 10}]
    data = {"total_entities": None, "at_least": 40, "at_most": 900, "to_run_count": None, "to_run_at_least": 38,
            "limits": limits}  # fmt: skip
    daemon.script("POST", "/public-api/backfills/preview", Scripted(data=data))
    without = [word for word in CREATE[2:] if word not in ("--workflow", CREATE[CREATE.index("--workflow") + 1])]
    ended = await backfilld("backfills", "preview", *without)

    assert "target_workflow_id" not in daemon.received[-1].json
    assert "at least 40, at most 900" in ended.out
    assert "at least 38" in ended.out
    assert "starts per minute 10, 10 items/min" in ended.out


async def test_explain_tells_the_sentences_and_what_limits_the_speed(backfilld, daemon):
    sentences = ["4 of 4 in flight; more would need a higher limit.", "3,640 are left."]
    limits = [
        {"what": "max_in_flight", "value": 4.0, "in_use": 4.0, "name": None, "items_per_minute": None},
        {"what": "requests_per_hour", "value": 5000, "in_use": 12, "name": "psa", "items_per_minute": 83.3},
    ]
    data = {"starting": True, "sentences": sentences, "parts": [], "blockers": [], "limits": limits,
            "next_start_at": None}  # fmt: skip
    daemon.script("GET", "/public-api/backfills/B/explain", Scripted(data=data), Scripted(data=data))
    ended = await backfilld("backfills", "explain", "B")
    as_json = await backfilld("backfills", "explain", "B", "--json")

    assert [
        *sentences,
        "",
        "LIMIT                    AT MOST  IN USE  ITEMS/MIN",
        "max_in_flight                  4       4",
        "requests_per_hour (psa)    5,000      12  83.3",
    ] == ended.out.splitlines()
    assert data == as_json.json


async def test_the_list_says_why_nothing_starts_and_since_when(backfilld, daemon):
    why = {"code": "target_unreachable", "message": "-", "since": "2027-03-01T12:00:00Z", "until": None}
    held, well = a_backfill(status_reason=why), a_backfill()
    daemon.script("GET", "/public-api/backfills", Scripted(data={"backfills": [held, well]}))
    ended = await backfilld("backfills", "list")
    header, first, second = ended.out.splitlines()
    cell = slice(header.index("WHY"), header.index("WORKFLOW"))

    assert first[cell].startswith("target_unreachable since 2027-03-01")
    assert "-" == second[cell].strip()


async def test_what_a_cancel_took_out_is_not_done(backfilld, daemon):
    cancelled = a_backfill(
        status="cancelled", total_entities=4000, processed_count=28, succeeded_count=28, cancelled_count=3972
    )
    daemon.script("GET", "/public-api/backfills", Scripted(data={"backfills": [cancelled]}))
    ended = await backfilld("backfills", "list")

    assert "28/4,000 (0%)" in ended.out


async def test_watching_as_json_is_a_line_an_event(backfilld, daemon):
    done = a_backfill(status="completed")
    daemon.script("GET", WATCHED, Scripted(raw=event("progress", 1, a_backfill()) + event("end", 2, done)))
    ended = await backfilld("backfills", "watch", ID, "--json")

    assert ["running", "completed"] == [orjson.loads(line)["backfill"]["status"] for line in ended.out.splitlines()]


async def test_create_can_go_on_watching(backfilld, daemon):
    daemon.script("POST", "/public-api/backfills", CREATED)
    daemon.script("GET", WATCHED, Scripted(raw=event("end", 1, a_backfill(status="cancelled"))))
    ended = await backfilld(*CREATE, "--watch")

    assert 6 == ended.code


# Nothing matched

EMPTY = a_backfill(status="completed", total_entities=0, processed_count=0, succeeded_count=0, pending_count=0)


def created(total: int | None, named: dict[str, object] | None = None) -> Scripted:
    cost = {"total_entities": total}
    return Scripted(201, {"backfill": a_backfill(status="planning"), "cost_estimate": cost, "named_entities": named})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (created(0), 9),
        (created(None), 0),
        (created(3), 0),
        (created(3, {"named": 3, "unknown": 3, "not_matching": 0}), 9),
        (created(3, {"named": 3, "unknown": 1, "not_matching": 2}), 9),
        (created(3, {"named": 3, "unknown": 2, "not_matching": 0}), 0),
        (created(3, {"named": 3, "unknown": None, "not_matching": None}), 0),
    ],
)
async def test_a_creation_of_nothing_has_an_exit_code_of_its_own(backfilld, daemon, answer, code):
    daemon.script("POST", "/public-api/backfills", answer)

    assert code == (await backfilld(*CREATE)).code
    assert 0 == (await backfilld(*CREATE, "--allow-empty")).code


@pytest.mark.parametrize(
    ("total", "skipped", "code"),
    [(0, {}, 9), (5, {}, 0), (5, {"not_found": 3, "not_matching": 2}, 9), (5, {"already_run": 5}, 0), (None, None, 0)],
)
async def test_a_preview_of_nothing_has_it_too(backfilld, daemon, total, skipped, code):
    data = {"total_entities": total, "to_run_count": total, "skipped": skipped}
    daemon.script("POST", "/public-api/backfills/preview", Scripted(data=data))
    preview = ("backfills", "preview", *CREATE[2:])

    assert code == (await backfilld(*preview)).code
    assert 0 == (await backfilld(*preview, "--allow-empty")).code


async def test_a_filter_that_matches_nothing_has_it_too(backfilld, daemon):
    data = {"matching_entities": 0, "success": True, "level": "WARNING", "message": "no entity matches", "sample": []}
    daemon.script("POST", "/public-api/backfills/verify", Scripted(data=data))
    verify = ("backfills", "verify", "--entity-type", "ticket", "--filter", "{}")

    assert 9 == (await backfilld(*verify)).code
    assert 0 == (await backfilld(*verify, "--allow-empty")).code


async def test_an_empty_backfill_reads_nothing_matched(backfilld, daemon):
    daemon.script("GET", f"/public-api/backfills/{ID}", Scripted(data={"backfill": EMPTY}))
    daemon.script("GET", "/public-api/backfills", Scripted(data={"backfills": [EMPTY]}))
    daemon.script("GET", f"/public-api/backfills/{ID}/events", Scripted(raw=event("end", 1, EMPTY)))
    shown, listed = await backfilld("backfills", "show", ID), await backfilld("backfills", "list")
    watched, allowed = (
        await backfilld("backfills", "watch", ID),
        await backfilld("backfills", "watch", ID, "--allow-empty"),
    )

    assert "completed, nothing matched" in shown.out
    assert "completed, nothing matched" in listed.out
    assert "completed, nothing matched" == watched.out.splitlines()[-1]
    assert (9, 0) == (watched.code, allowed.code)


async def test_limits_are_shown_in_a_line(backfilld, daemon):
    policy = {
        "enabled": True, "max_failure_ratio": 0.5, "window": 200, "min_sample": 50, "max_consecutive_failures": 20
    }  # fmt: skip
    shown = a_backfill(starts_per_minute=0.5, max_credits=20000, failure_policy=policy)
    daemon.script("GET", f"/public-api/backfills/{ID}", Scripted(data={"backfill": shown}))
    ended = await backfilld("backfills", "show", ID)

    assert "0.5 starts/min, 20,000 credits, stops above 50 % of the last 200 failed or 20 in a row" in ended.out


@pytest.mark.parametrize(
    ("said", "sent"), [(["--recheck"], True), (["--no-recheck"], False), (["--default", "recheck"], None), ([], ...)]
)
async def test_whether_the_filter_is_asked_again_is_chosen_or_left_to_the_daemon(backfilld, daemon, said, sent):
    daemon.script("POST", "/public-api/backfills", CREATED)
    daemon.script("PATCH", f"/public-api/backfills/{ID}", Scripted(data={"backfill": a_backfill()}))
    if "--default" not in said:
        await backfilld(*CREATE, *said)
    ended = await backfilld("backfills", "edit", ID, "--name", "night", *said)

    assert 0 == ended.code, ended.err
    assert {sent} == {request.json.get("recheck", ...) for request in daemon.received}


async def test_limits_are_edited_and_restored(backfilld, daemon):
    daemon.script("PATCH", f"/public-api/backfills/{ID}", Scripted(data={"backfill": a_backfill()}))
    ended = await backfilld(
        "backfills", "edit", ID, "--max-credits", "20", "--failure-policy", "off", "--default", "starts_per_minute"
    )  # fmt: skip

    assert 0 == ended.code, ended.err
    assert {"max_credits": 20, "failure_policy": {"enabled": False}, "starts_per_minute": None} == (
        daemon.received[0].json
    )
