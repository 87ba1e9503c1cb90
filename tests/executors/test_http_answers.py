"""What the answers of a target mean, over real HTTP."""

import gzip
import json
import zlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiohttp import web
from tests.support.executing import FreePermit, HurryingClock, work
from tests.support.targets import answering, target

from backfilld.executors.http.client import Limits
from backfilld.executors.registry import ExecutorOptions
from backfilld.executors.secrets import SecretStore

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


async def verdict_on(executor_for, status=200, body=None, answer_headers=None, **keys):
    async with target(answering(status, body, answer_headers)) as there:
        return await executor_for(there.url, clock=HurryingClock(NOW), **keys).execute(work(), FreePermit())


@pytest.mark.parametrize(
    ("status", "kind", "error_class"),
    [
        (200, "succeeded", None), (201, "succeeded", None), (202, "succeeded", None), (204, "succeeded", None),
        (301, "failed", "redirect_not_followed"), (304, "failed", "http_304"), (305, "failed", "http_305"),
        (307, "failed", "redirect_not_followed"),
        (400, "failed", "http_400"), (404, "failed", "http_404"), (409, "failed", "http_409"),
        (410, "failed", "http_410"), (413, "failed", "http_413"), (422, "failed", "http_422"),
        (499, "failed", "http_499"),
        (401, "refused", "http_401"), (402, "refused", "http_402"), (403, "refused", "http_403"),
        (405, "refused", "http_405"), (407, "refused", "http_407"),
        (408, "try_again", "http_408"), (425, "try_again", "http_425"),
        (429, "throttled", "http_429"),
        (500, "try_again", "http_500"), (501, "try_again", "http_501"), (507, "try_again", "http_507"),
        (599, "try_again", "http_599"),
        (502, "unreachable", "http_502"), (503, "unreachable", "http_503"), (504, "unreachable", "http_504"),
    ],
)  # fmt: skip
async def test_the_status_code_decides(executor_for, status, kind, error_class):
    verdict = await verdict_on(executor_for, status)

    assert (kind, error_class) == (verdict.kind, verdict.error_class)
    assert verdict.http_status in (status, None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Mon, 01 Mar 2027 12:00:30 GMT", 30.0),
        ("Mon, 01 Mar 2027 11:00:00 GMT", 0.0),
        ("Monday, 01-Mar-27 12:01:00 GMT", 60.0),
        ("999999999999999999999", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Mon, 99 Mar 2027 12:00:30 GMT", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_understood_in_both_forms(executor_for, status, said, seconds):
    verdict = await verdict_on(
        executor_for, status, answer_headers={"Retry-After": said, "Date": "Mon, 01 Mar 2027 12:00:00 GMT"}
    )

    assert seconds == verdict.retry_after_seconds


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("Mon, 01 Mar 2027 13:00:04 GMT", "Mon, 01 Mar 2027 13:00:00 GMT", 4.0),
        ("Mon, 01 Mar 2027 11:00:04 GMT", "Mon, 01 Mar 2027 11:00:00 GMT", 4.0),
        ("Mon, 01 Mar 2027 12:00:04 GMT", "yesterday", 4.0),
        ("4, 6", None, 6.0),
        ("6,4", None, 6.0),
        ("Mon, 01 Mar 2027 12:00:30 GMT, 6", "Mon, 01 Mar 2027 12:00:00 GMT", 30.0),
        ("40, Mon, 01 Mar 2027 12:00:30 GMT", "Mon, 01 Mar 2027 12:00:00 GMT", 40.0),
    ],
)
async def test_retry_after_is_measured_by_the_clock_of_the_target(executor_for, said, date, seconds):
    headers = {"Retry-After": said} | ({"Date": date} if date else {})
    verdict = await verdict_on(executor_for, 503, answer_headers=headers)

    assert seconds == verdict.retry_after_seconds


async def test_of_two_headers_the_longer_wait_holds(executor_for):
    async def handler(_):
        answer = web.Response(status=503)
        answer.headers.add("Retry-After", "4")
        answer.headers.add("Retry-After", "6")
        return answer

    async with target(handler) as there:
        verdict = await executor_for(there.url).execute(work(), FreePermit())

        assert 6.0 == verdict.retry_after_seconds


async def test_a_failed_item_waits_for_nothing(executor_for):
    verdict = await verdict_on(executor_for, 404, answer_headers={"Retry-After": "10"})

    assert None is verdict.retry_after_seconds


async def test_what_the_target_says_of_a_success_is_kept(executor_for):
    body = {"status": "succeeded", "message": "done", "result": {"label": "spam"}, "credits": 1.5}
    verdict = await verdict_on(executor_for, 200, body)

    assert ("succeeded", "done", '{"label":"spam"}', Decimal("1.5")) == (
        verdict.kind, verdict.message, verdict.result, verdict.credits,
    )  # fmt: skip


async def test_a_target_may_skip_an_item(executor_for):
    verdict = await verdict_on(executor_for, 200, {"status": "skipped", "message": "nothing to do"})

    assert ("skipped", "nothing to do", None) == (verdict.kind, verdict.message, verdict.error_class)


async def test_a_target_may_fail_an_item_with_a_2xx(executor_for):
    verdict = await verdict_on(executor_for, 200, {"status": "failed", "message": "no such customer", "credits": 1})

    assert ("failed", "target_failed", "no such customer", Decimal(1)) == (
        verdict.kind, verdict.error_class, verdict.error, verdict.credits,
    )  # fmt: skip


async def test_a_document_is_believed_whatever_its_content_type_says(executor_for):
    verdict = await verdict_on(executor_for, 200, '{"status": "failed"}', {"Content-Type": "text/plain"})

    assert "failed" == verdict.kind


@pytest.mark.parametrize(
    "body",
    ["", "OK", "[1, 2]", "null", "17", '{"ok": true}', '{"status": 200, "credits": 9}', b"\xff\xfe", "[" * 5000,
     "[INFO] done", '{"status": null}', " \r\n", '{"n": 1}\n{"n": 2}\n'],
)  # fmt: skip
async def test_any_other_2xx_is_a_plain_success(executor_for, body):
    verdict = await verdict_on(executor_for, 200, body)

    assert ("succeeded", None, None, None) == (verdict.kind, verdict.message, verdict.result, verdict.credits)
    assert 200 == verdict.http_status


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("<html><h1>Sign in</h1></html>", "text/html; charset=utf-8", "the answer is a page (text/html) and not JSON"),
        ("<!doctype html>", "text/plain", "the answer is a page (markup) and not JSON"),
        ("<error/>", "application/problem+xml", "the answer is a page (application/problem+xml) and not JSON"),
        (b"\x89PNG\xff\xd8", "image/png", "the answer is neither text nor JSON"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_success_that_says_so(executor_for, body, kind, says):
    verdict = await verdict_on(
        executor_for, 200, body if isinstance(body, bytes) else body.encode(), {"Content-Type": kind}
    )

    assert ("succeeded", f"{says}; counted as a success") == (verdict.kind, verdict.message)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"status":"failed","credits":', "text/plain"),
        (b'{"status": "succeeded"', "application/json"),
        (b"{broken", "text/plain"),
        (b"\xef\xbb\xbf{", "application/octet-stream"),
        ('{"status"'.encode("utf-16"), "application/json; charset=utf-16"),
        (b'{"n": 1}\n{"n": 2', "application/x-ndjson"),
        (b"<html>Sign in</html>", "application/json"),
        (b"failed", "application/problem+json"),
        (b'{"a":' * 50_000, "text/plain"),
    ],
)
async def test_json_that_cannot_be_read_is_tried_again(executor_for, body, kind):
    verdict = await verdict_on(executor_for, 200, body[:60_000], {"Content-Type": kind})

    assert ("try_again", "bad_answer", 200) == (verdict.kind, verdict.error_class, verdict.http_status)


async def test_a_status_of_the_targets_own_is_a_success_that_says_so(executor_for):
    verdict = await verdict_on(executor_for, 200, {"status": "error", "credits": 5})

    assert ("succeeded", None) == (verdict.kind, verdict.credits)
    assert "the target's status is 'error'; counted as a success" == verdict.message


@pytest.mark.parametrize("credits", ["5", True, -1, 1e300, [1]])
async def test_credits_that_are_no_amount_are_left_out_and_said_so(executor_for, credits):
    verdict = await verdict_on(executor_for, 200, {"status": "succeeded", "credits": credits})

    assert ("succeeded", None) == (verdict.kind, verdict.credits)
    assert "credits" in verdict.message


async def test_a_message_beyond_a_kibibyte_is_cut(executor_for):
    verdict = await verdict_on(executor_for, 200, {"status": "succeeded", "message": "ä" * 2000})

    assert 1020 < len(verdict.message.encode()) <= 1024


async def test_a_message_that_is_no_text_is_left_out(executor_for):
    verdict = await verdict_on(executor_for, 200, {"status": "succeeded", "message": {"a": 1}})

    assert "[left out: message is not text]" == verdict.message


async def test_a_result_beyond_four_kibibytes_is_left_out_and_the_message_says_so(executor_for):
    body = {"status": "succeeded", "message": "m" * 2000, "result": ["x" * 4096]}
    verdict = await verdict_on(executor_for, 200, body)

    assert None is verdict.result
    assert verdict.message.endswith("… [left out: result is longer than 4096 bytes]")
    assert len(verdict.message.encode()) <= 1024


async def test_texts_are_fit_for_the_ledger(executor_for):
    verdict = await verdict_on(executor_for, 200, {"status": "failed", "message": "a\0b\x1b[31m", "result": "c\0d"})

    assert ("ab[31m", '"cd"') == (verdict.message, verdict.result)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"message": "no such ticket", "code": 5}}, "HTTP 404 Not Found: no such ticket"),
        ({"detail": "gone fishing"}, "HTTP 404 Not Found: gone fishing"),
        ("plain\n\n  words", "HTTP 404 Not Found: plain words"),
        ("", "HTTP 404 Not Found"),
        ({"other": 1}, 'HTTP 404 Not Found: {"other": 1}'),
        (b"\xff\x00", "HTTP 404 Not Found: \ufffd"),
    ],
)
async def test_an_error_says_what_the_target_said(executor_for, body, error):
    verdict = await verdict_on(executor_for, 404, body)

    assert error == verdict.error


async def test_a_long_error_is_cut(executor_for):
    verdict = await verdict_on(executor_for, 500, "x" * 60_000)

    assert len(verdict.error) < 600


async def test_a_redirect_names_where_it_leads_and_is_not_followed(executor_for):
    async with target(answering(302, headers={"Location": "/elsewhere"})) as there:
        verdict = await executor_for(there.url).execute(work(), FreePermit())

        assert "/elsewhere" in verdict.error
        assert 1 == len(there.seen)


async def test_secrets_that_a_target_echoes_stay_out_of_the_ledger(executor_for):
    store = SecretStore({"token": "Bearer very-secret", "signing": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    body = {"error": "bad headers: Bearer very-secret, whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    keys = {"headers": {"Authorization": {"secret": "token"}}, "secret": {"secret": "signing"}, "secrets": store}
    verdict = await verdict_on(executor_for, 400, body, **keys)

    assert "HTTP 400 Bad Request: bad headers: [secret], [secret]" == verdict.error


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_an_answer_that_is_compressed_unasked_is_read(executor_for, encoding):
    plain = json.dumps({"status": "skipped"}).encode()
    packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    verdict = await verdict_on(executor_for, 200, packed, {"Content-Encoding": encoding})

    assert "skipped" == verdict.kind


@pytest.mark.parametrize("encoding", ["br", "gzip", "gzip, gzip"])
async def test_an_encoding_that_cannot_be_read_is_told(executor_for, encoding):
    verdict = await verdict_on(executor_for, 200, b"\x01\x02\x03", {"Content-Encoding": encoding})
    of_json = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    claimed = await verdict_on(executor_for, 200, b"\x01\x02\x03", of_json)

    assert "succeeded" == verdict.kind
    assert "the answer is compressed, which was not asked for, and cannot be read; counted as a success" == (
        verdict.message
    )
    assert ("try_again", "bad_answer") == (claimed.kind, claimed.error_class)


@pytest.mark.parametrize("pack", ["raw deflate", "two members", "cut"])
async def test_compression_is_read_in_every_form(executor_for, pack):
    plain = b'{"status":"skipped"}'
    raw = zlib.compressobj(wbits=-15)
    packed, encoding, kind = {
        "raw deflate": (raw.compress(plain) + raw.flush(), "deflate", "skipped"),
        "two members": (gzip.compress(plain[:9]) + gzip.compress(plain[9:]), "gzip", "skipped"),
        "cut": (gzip.compress(plain)[:-12], "gzip", "try_again"),
    }[pack]
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}

    assert kind == (await verdict_on(executor_for, 200, packed, headers)).kind


async def test_a_gzip_bomb_is_not_unpacked(executor_for):
    bomb = gzip.compress(b'{"status": "failed", "x": "' + b" " * 50_000_000 + b'"}')
    verdict = await verdict_on(executor_for, 200, bomb, {"Content-Encoding": "gzip"})

    assert len(bomb) < 65_536
    assert ("succeeded", "the answer is too long to be read; counted as a success") == (verdict.kind, verdict.message)


async def test_an_answer_beyond_the_limit_is_a_success_that_was_not_read(executor_for):
    limits = Limits(most_bytes=1024)
    verdict = await verdict_on(
        executor_for, 200, {"status": "failed", "x": "y" * 2000}, options=ExecutorOptions(limits=limits)
    )

    assert ("succeeded", "the answer is too long to be read; counted as a success") == (verdict.kind, verdict.message)
