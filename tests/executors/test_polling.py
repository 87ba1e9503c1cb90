"""Targets that accept an item and finish it later."""

import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import web
from tests.support.executing import FreePermit, HurryingClock, work
from tests.support.targets import answering, raw_target, read_request, target

from backfilld.executors.secrets import SecretStore

DONE = {"status": "succeeded", "message": "done"}
RUNNING = {"status": "running"}


def accepting(first, *later):
    """A handler that answers POST with `first`, and each GET with the next of `later` (then the last again)."""
    left = list(later)

    async def handler(request: web.Request) -> web.Response:
        answer = first if request.method == "POST" else (left.pop(0) if len(left) > 1 else left[0])
        status, body, *headers = answer
        if body is None or isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers[0] if headers else None)
        return web.json_response(body, status=status, headers=headers[0] if headers else None)

    return handler


async def polled(executor_for, first, *later, poll=None, clock=None, timeout_seconds=10.0, **more):
    async with target(accepting(first, *later)) as there:
        more |= {} if poll is None else {"url": there.url + poll}
        keys = {"poll": more} if more else {}
        executor = executor_for(there.url + "/items", completion="poll", clock=clock, **keys)
        verdict = await executor.execute(work(entity_id="T/1 ü", timeout_seconds=timeout_seconds), FreePermit())
        return verdict, there.seen


async def test_it_asks_until_the_target_names_a_final_status(executor_for):
    verdict, seen = await polled(
        executor_for, (202, {"poll_url": "/jobs/5?x=1"}), (200, RUNNING), (202, {}), (200, DONE)
    )

    assert ("succeeded", "done") == (verdict.kind, verdict.message)
    assert [("POST", "/items"), *[("GET", "/jobs/5?x=1")] * 3] == [(one.method, one.path) for one in seen]


@pytest.mark.parametrize("status", ["failed", "skipped"])
async def test_every_final_status_ends_it(executor_for, status):
    verdict, _ = await polled(executor_for, (202, {"poll_url": "jobs/5"}), (200, {"status": status}))

    assert status == verdict.kind


async def test_an_item_that_is_done_at_once_is_not_asked_about(executor_for):
    verdict, seen = await polled(executor_for, (200, DONE))

    assert ("succeeded", 1) == (verdict.kind, len(seen))


async def test_a_start_that_fails_is_not_asked_about(executor_for):
    verdict, seen = await polled(executor_for, (404, {}), poll="/jobs")

    assert ("failed", "http_404", 1) == (verdict.kind, verdict.error_class, len(seen))


async def test_the_configured_url_is_filled_in(executor_for):
    _, seen = await polled(executor_for, (202, {}), (200, DONE), poll="/jobs/{entity_id}?k={idempotency_key}")

    assert f"/jobs/T%2F1%20%C3%BC?k={work().idempotency_key}" == seen[1].path


async def test_a_location_is_as_good_as_a_poll_url(executor_for):
    _, seen = await polled(executor_for, (202, {}, {"Location": "/jobs/7"}), (200, DONE))

    assert "/jobs/7" == seen[1].path


async def test_nowhere_to_ask_is_a_bad_answer(executor_for):
    verdict, _ = await polled(executor_for, (202, {}))

    assert ("failed", "bad_answer") == (verdict.kind, verdict.error_class)


LOCATION = {"Location": "/operations/7"}


@pytest.mark.parametrize(
    ("last", "kind", "says"),
    [
        ((200, {"status": "Succeeded"}), "succeeded", 'HTTP 200 OK: {"status": "Succeeded"}'),
        ((200, {"status": "COMPLETED", "message": "all of it"}), "succeeded", "all of it"),
        ((200, {"status": "done", "result": 5}), "succeeded", 'HTTP 200 OK: {"status": "done", "result": 5}'),
        ((200, {"status": "Failed", "error": "no such ticket"}), "failed", "HTTP 200 OK: no such ticket"),
        ((200, {"status": "Failed", "error": {"code": "X", "message": "gone"}}), "failed", "HTTP 200 OK: gone"),
        ((200, {"status": "Canceled"}), "failed", 'HTTP 200 OK: {"status": "Canceled"}'),
        ((200, {"status": "Skipped", "message": "was there"}), "skipped", "was there"),
        ((204, None), "succeeded", "HTTP 204 No Content"),
        ((303, None, {"Location": "/tickets/7"}), "succeeded", "HTTP 303 See Other; the result is at /tickets/7"),
        ((200, b'\xef\xbb\xbf{"status":"Failed","message":"late"}'), "failed", "late"),
    ],
)
async def test_the_usual_ways_to_say_that_it_is_done_are_understood(executor_for, last, kind, says):
    verdict, seen = await polled(executor_for, (202, None, LOCATION), (202, None), (200, {"status": "Running"}), last)

    assert (kind, says) == (verdict.kind, verdict.message)
    assert ["POST /items", *["GET /operations/7"] * 3] == [f"{one.method} {one.path}" for one in seen]
    if kind == "failed":
        assert "target_failed" == verdict.error_class
        assert says.removeprefix("HTTP 200 OK: ") in verdict.error


@pytest.mark.parametrize(
    ("words", "last", "kind"),
    [
        ({"status": "state", "succeeded": ["success"]}, {"state": "SUCCESS"}, "succeeded"),
        ({"status": "state", "failed": ["upstream_failed"]}, {"state": "upstream_failed"}, "failed"),
        ({"status": "data.attributes.state"}, {"data": {"attributes": {"state": "done"}}}, "succeeded"),
        ({"status": r"a\.b"}, {"a.b": "cancelled"}, "failed"),
        ({"status": "finished", "succeeded": ["true"]}, {"finished": True}, "succeeded"),
        ({"status": "code", "failed": ["17"]}, {"code": 17}, "failed"),
        ({"skipped": ["Not Needed"]}, {"status": "not needed"}, "skipped"),
        ({"succeeded": ["ok"]}, {"status": "succeeded"}, "succeeded"),
        ({"failed": ["done"], "succeeded": ["fine"]}, {"status": "Done"}, "failed"),
        ({"done_on": "not_202"}, {"progress": 100}, "succeeded"),
        ({"done_on": "not_202"}, {"status": "Failed"}, "failed"),
    ],
)
async def test_a_targets_own_words_are_understood(executor_for, words, last, kind):
    verdict, seen = await polled(executor_for, (202, {}, LOCATION), (202, {"state": "working"}), (200, last), **words)

    assert (kind, 3) == (verdict.kind, len(seen))


async def test_the_field_that_says_why_may_be_any(executor_for):
    words = {"status": "state", "message": "details.note"}
    last = (200, {"state": "failed", "details": {"note": "too old"}})
    verdict, _ = await polled(executor_for, (202, {}, LOCATION), last, **words)

    assert ("failed", "too old", "too old") == (verdict.kind, verdict.message, verdict.error)


async def test_a_target_may_say_nothing_by_204(executor_for):
    verdict, seen = await polled(executor_for, (202, {}, LOCATION), (204, None), (200, DONE), done_on="status")

    assert ("succeeded", "done", 3) == (verdict.kind, verdict.message, len(seen))


@pytest.mark.parametrize("status", [304, 500])
async def test_nothing_new_is_asked_about_again(executor_for, status):
    verdict, seen = await polled(executor_for, (202, {}, LOCATION), (status, None), (200, DONE))

    assert ("succeeded", 3) == (verdict.kind, len(seen))


async def test_json_that_cannot_be_read_is_asked_about_again(executor_for):
    cut = (200, b'{"status": "fai')
    verdict, _ = await polled(executor_for, (202, {}, LOCATION), cut, (200, DONE), done_on="not_202")

    assert ("succeeded", "done") == (verdict.kind, verdict.message)


async def test_an_acceptance_that_cannot_be_read_is_tried_again(executor_for):
    verdict, seen = await polled(executor_for, (202, b'{"poll_url": "/j'))

    assert ("try_again", "bad_answer", 1) == (verdict.kind, verdict.error_class, len(seen))


async def test_an_acceptance_with_a_byte_order_mark_names_where_to_ask(executor_for):
    verdict, seen = await polled(executor_for, (202, b'\xef\xbb\xbf{"poll_url": "/j"}'), (200, DONE))

    assert ("succeeded", "/j") == (verdict.kind, seen[1].path)


async def test_a_success_that_says_where_to_ask_is_an_acceptance(executor_for):
    verdict, seen = await polled(executor_for, (200, {"status": "success", "poll_url": "/j"}), (200, DONE))

    assert ("succeeded", "done", 2) == (verdict.kind, verdict.message, len(seen))


@pytest.mark.parametrize("header", ["Operation-Location", "Azure-AsyncOperation", "operation-location"])
async def test_a_place_to_ask_comes_before_the_place_of_the_result(executor_for, header):
    headers = {"Location": "/tickets/7", header: "/operations/9"}
    _, seen = await polled(executor_for, (202, {}, headers), (200, DONE))

    assert "/operations/9" == seen[1].path


async def test_a_target_may_move_the_place_to_ask(executor_for):
    moved = [(202, {}, {"Location": "/second"}), (202, {}, {"Location": "http://elsewhere.example/"})]
    _, seen = await polled(executor_for, (202, {}, {"Location": "/first"}), *moved, (200, DONE))

    assert ["/items", "/first", "/second", "/second"] == [one.path for one in seen]


async def test_the_first_question_waits_as_long_as_the_acceptance_asks_for(executor_for):
    clock = HurryingClock()
    await polled(executor_for, (202, {}, LOCATION | {"Retry-After": "100"}), (200, DONE), clock=clock)

    assert 80 <= clock.slept[0] <= 120


async def test_when_time_is_over_the_last_answer_is_quoted(executor_for):
    async with target(accepting((202, {}, LOCATION), (200, {"state": "queued", "ahead": 17}))) as there:
        verdict = await executor_for(there.url, completion="poll").execute(work(timeout_seconds=0.2), FreePermit())

        assert ("try_again", "timeout") == (verdict.kind, verdict.error_class)
        assert verdict.error.endswith('its last answer was HTTP 200 OK: {"state": "queued", "ahead": 17}')


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://other.example/x", "//evil.example/x", "file:///x", "http://[", "//u@{host}/"],
)
async def test_a_poll_url_that_leads_elsewhere_is_not_followed(executor_for, url):
    async with target(accepting((202, {"poll_url": url}), (200, DONE))) as there:
        verdict = await executor_for(there.url, completion="poll").execute(work(), FreePermit())

        assert ("failed", "bad_answer", 1) == (verdict.kind, verdict.error_class, len(there.seen))


async def test_questions_carry_key_headers_and_signature(executor_for):
    async with target(accepting((202, {"poll_url": "/j"}), (200, DONE))) as there:
        executor = executor_for(
            there.url,
            completion="poll",
            headers={"Authorization": {"secret": "token"}},
            secret={"secret": "signing"},
            secrets=SecretStore({"token": "Bearer abc", "signing": "key"}),
        )
        await executor.execute(work(), FreePermit())

        question = there.seen[1].headers
        assert work().idempotency_key == question["idempotency-key"] == question["webhook-id"]
        assert "Bearer abc" == question["authorization"]
        assert question["webhook-signature"].startswith("v1,")
        assert b"" == there.seen[1].body


async def test_asking_needs_no_permit(executor_for):
    permit = FreePermit()
    async with target(accepting((202, {"poll_url": "/j"}), (200, RUNNING), (200, DONE))) as there:
        await executor_for(there.url, completion="poll").execute(work(), permit)

        assert (1, 1) == (permit.started, permit.sent_times)


async def test_it_asks_at_the_interval_give_or_take_a_fifth(executor_for):
    clock = HurryingClock()
    async with target(accepting((202, {"poll_url": "/j"}), *[(200, RUNNING)] * 20, (200, DONE))) as there:
        executor = executor_for(there.url, completion="poll", poll={"interval_seconds": 10}, clock=clock)
        await executor.execute(work(), FreePermit())

        assert 21 == len(clock.slept)
        assert 8 <= min(clock.slept) < max(clock.slept) <= 12


async def test_a_longer_pause_is_granted_when_the_target_asks_for_it(executor_for):
    clock = HurryingClock(datetime(2027, 3, 1, 12, 0, tzinfo=UTC))
    await polled(
        executor_for, (202, {"poll_url": "/j"}), (200, RUNNING, {"Retry-After": "100"}), (200, DONE), clock=clock
    )

    assert 80 <= clock.slept[1] <= 120


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
async def test_a_question_that_fails_is_asked_again(executor_for, status):
    verdict, seen = await polled(executor_for, (202, {"poll_url": "/j"}), *[(status, {})] * 3, (200, DONE))

    assert ("succeeded", 5) == (verdict.kind, len(seen))


async def test_a_question_that_breaks_is_asked_again(executor_for):
    bodies = iter([b'{"poll_url": "/j"}', None, b'{"status": "skipped"}'])

    async def handler(reader, writer):
        while True:
            await read_request(reader)
            body = next(bodies)
            if body is None:
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with raw_target(handler) as there:
        verdict = await executor_for(there.url, completion="poll").execute(work(), FreePermit())

        assert ("skipped", 2) == (verdict.kind, there.connections)


async def test_a_target_may_need_a_moment_to_know_what_it_accepted(executor_for):
    verdict, _ = await polled(executor_for, (202, {"poll_url": "/j"}), (404, {}), (404, {}), (200, DONE))

    assert "succeeded" == verdict.kind


async def test_a_target_that_forgot_the_item_is_given_it_again(executor_for):
    verdict, seen = await polled(executor_for, (202, {"poll_url": "/j"}), (404, {}))

    assert ("try_again", "poll_http_404", 4) == (verdict.kind, verdict.error_class, len(seen))


@pytest.mark.parametrize(
    ("status", "kind", "error_class"),
    [(401, "refused", "http_401"), (403, "refused", "http_403"), (410, "try_again", "poll_http_410"),
     (400, "try_again", "poll_http_400"), (302, "try_again", "poll_redirect_not_followed")],
)  # fmt: skip
async def test_other_answers_end_the_asking(executor_for, status, kind, error_class):
    verdict, _ = await polled(executor_for, (202, {"poll_url": "/j"}), (status, {}))

    assert (kind, error_class) == (verdict.kind, verdict.error_class)


async def test_the_time_limit_bounds_the_whole_and_says_how_it_stood(executor_for):
    async with target(accepting((202, {"poll_url": "/j"}), (500, {"error": "busy"}))) as there:
        executor = executor_for(there.url, completion="poll", clock=None)
        verdict = await executor.execute(work(timeout_seconds=0.2), FreePermit())

        assert ("try_again", "timeout") == (verdict.kind, verdict.error_class)
        assert "accepted, but not done within 0.2 s: HTTP 500 Internal Server Error: busy" == verdict.error


async def test_cancelling_passes_while_it_waits(executor_for):
    async with target(answering(202, {"poll_url": "/j"})) as there:
        permit = FreePermit()
        running = asyncio.create_task(executor_for(there.url, completion="poll").execute(work(), permit))
        await permit.was_sent.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert 1 == permit.started
