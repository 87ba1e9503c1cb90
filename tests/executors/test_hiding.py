"""A secret that a target or a program repeats is not kept, however it writes it and wherever it stands."""

import asyncio
import html
import json
import urllib.parse

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.support.executing import FreePermit, HurryingClock, work
from tests.support.targets import target

from backfilld.domain.texts import MESSAGE_BYTES
from backfilld.executors.answers.answer_document import kept_text, meaning_of
from backfilld.executors.answers.documents import document_in
from backfilld.executors.answers.hiding import HIDDEN, Hiding
from backfilld.executors.answers.kept_logs import kept_log
from backfilld.executors.command.verdicts import exit_verdict, timeout_verdict
from backfilld.executors.definitions.http import Poll
from backfilld.executors.http.polling import Poller, Progress
from backfilld.executors.http.verdicts import failure_of, success_of
from backfilld.executors.http.wire.request_writer import url_of
from backfilld.executors.http.wire.response_parser import Answer, Headers
from backfilld.executors.secrets import SecretStore

# What each way of writing treats differently; no control characters, which no header or variable holds anyway.
_AWKWARD = "\"\\/+%&<>'äß€😀 =_-"
_SECRETS = st.text(st.sampled_from(_AWKWARD + "aZ09"), min_size=8, max_size=40).filter(
    lambda text: text == text.strip() and "  " not in text and len(set(text)) > 4
)
_WAYS = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON within JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON for HTML": lambda text: json.dumps(text).replace("<", "\\u003C").replace("&", "\\u0026"),
    "a URL": lambda text: urllib.parse.quote(text, safe=""),
    "a form": urllib.parse.quote_plus,
    "HTML": html.escape,
}


def answer(status, body, kind="application/json"):
    return Answer(status, Headers([(b"Content-Type", kind.encode())]), body, True)


def kept(verdict):
    return [text for text in (verdict.message, verdict.result, verdict.error, verdict.log) if text is not None]


def tells(text, secret):
    """Whether a reader of `text` learns the secret, or most of it."""
    return secret in text or secret in html.unescape(text) or secret[:-1] in text


@pytest.mark.parametrize("way", _WAYS)
@given(secret=_SECRETS)
def test_a_secret_is_found_in_every_way_of_writing_it(way, secret):
    written = _WAYS[way](secret)
    hidden = Hiding([secret])(f"before {written} after")

    assert HIDDEN in hidden
    assert not tells(hidden, secret)
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@given(
    secret=_SECRETS,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
    ascii_only=st.booleans(),
    slashes=st.booleans(),
)
def test_no_field_of_a_document_keeps_a_secret(secret, encoding, ascii_only, slashes):
    said = {
        "status": "failed", "message": f"got {secret}", "credits": 1, "result": {secret: [f"x{secret}x"], "n": [secret]}
    }  # fmt: skip
    text = json.dumps(said, ensure_ascii=ascii_only)
    body = (text.replace("/", "\\/") if slashes else text).encode(encoding)
    hide = Hiding([secret])
    for verdict in (
        meaning_of(document_in(body), None, hide),
        success_of(answer(200, body), hide),
        exit_verdict(0, body, b"", complete=True, hide=hide),
    ):
        result = orjson.loads(verdict.result)

        assert f"got {HIDDEN}" == verdict.message == verdict.error
        assert {HIDDEN: [f"x{HIDDEN}x"], "n": [HIDDEN]} == result


@given(
    secret=_SECRETS,
    status=st.sampled_from([400, 404, 409, 500, 503, 401]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_no_error_keeps_a_secret_or_half_of_one(secret, status, encoding):
    hide = Hiding([secret])
    for before in (0, 470, 495, 1990):
        plain = ("x" * before + secret + "y" * 600).encode(encoding)
        as_json = json.dumps({"error": {"message": "x" * before + secret}, "headers": [secret]}).encode(encoding)
        for body in (plain, as_json):
            for text in kept(failure_of(answer(status, body), HurryingClock().now(), hide)):
                assert secret[:8] not in text


@pytest.mark.parametrize("unfit", ["\0", "\x1b", "\u202e", "\x7f", "\ud800"])
def test_a_secret_that_comes_out_of_a_clean_up_is_hidden_all_the_same(unfit):
    secret, hide = "hunter2-very-secret", Hiding(["hunter2-very-secret"])
    broken = unfit.join(secret)
    document = json.dumps({"status": "failed", "message": broken}).encode()

    assert HIDDEN == kept_text(broken, MESSAGE_BYTES, hide)
    assert secret not in kept_log(broken, hide)
    assert secret not in (meaning_of(document_in(document), None, hide).message or "")


def test_a_secret_is_hidden_before_a_cut():
    secret = "s3cr3t" * 10
    for before in range(MESSAGE_BYTES - 70, MESSAGE_BYTES + 10):
        text = kept_text("x" * before + secret, MESSAGE_BYTES, Hiding([secret]))

        assert "s3cr3t" not in text


def test_a_secret_that_is_a_number_is_hidden_in_a_result():
    body = b'{"status":"succeeded","result":{"pin":1234567890,"n":5}}'

    assert f'{{"pin":"{HIDDEN}","n":5}}' == meaning_of(document_in(body), None, Hiding(["1234567890"])).result


def test_a_result_that_is_the_secret_is_hidden_as_a_whole():
    body = b'{"status":"succeeded","result":{"user": "me", "key": "abc"}}'
    hide = Hiding(['{"user":"me","key":"abc"}'])

    assert f'"{HIDDEN}"' == meaning_of(document_in(body), None, hide).result


def test_where_an_answer_was_cut_off_no_part_of_a_secret_is_left():
    secret = "very-secret-token"
    cut = Answer(500, Headers([]), (" " * 60_000 + "oops " + secret[:-2]).encode(), False)
    error = failure_of(cut, HurryingClock().now(), Hiding([secret])).error

    assert "very-secret" not in error


@pytest.mark.parametrize("filler", ["\x1b[31m", "\n", "\0"])
def test_where_output_was_cut_off_no_part_of_a_secret_is_left(filler):
    secret = "very-secret-token"
    errors = (secret[2:] + filler * 20_000).encode()[: 16_384 - 4] + b"oops"
    verdicts = [
        exit_verdict(1, b"", errors, complete=True, hide=Hiding([secret])),
        timeout_verdict(1, errors, Hiding([secret])),
    ]

    assert not any("secret-token" in verdict.error for verdict in verdicts)


@pytest.mark.parametrize("hostile", ["\\" * 60_000, "%25" * 20_000, "&amp;" * 12_000, "\ufffd" * 20_000])
def test_a_hostile_answer_does_not_hold_the_daemon_up(hostile):
    hidden = Hiding(['pass"word\\with/all+of it%&'])(hostile)

    assert hostile == hidden


@given(secret=_SECRETS)
def test_no_question_whether_it_is_done_keeps_a_secret(secret):
    hide = Hiding([secret])
    body = json.dumps({"state": "Broken", "note": f"no {secret}"}).encode()

    async def ask(*_):
        return answer(200, body)

    poll = Poll(status="state", failed=["broken"], message="note", url="http://h/x")
    poller = Poller(poll, url_of("http://h/"), HurryingClock(), ask, hide)
    waiting = poller.verdict(answer(202, b"{}"), work(), Progress())
    verdict = _run(waiting)

    assert ("failed", f"no {HIDDEN}") == (verdict.kind, verdict.error)


async def test_what_a_target_echoes_over_http_is_hidden(executor_for):
    async def echo(request: web.Request) -> web.Response:
        said = {"status": "failed", "result": dict(request.headers), "message": request.headers["X-Key"]}
        return web.json_response(said)

    secret = 'a"b\\c/d+e%20 f'
    async with target(echo) as there:
        executor = executor_for(there.url, headers={"X-Key": {"secret": "key"}}, secrets=SecretStore({"key": secret}))
        verdict = await executor.execute(work(wants_log=True), FreePermit())

        assert HIDDEN == verdict.message
        assert HIDDEN == orjson.loads(verdict.result)["X-Key"]
        assert json.dumps(secret)[1:-1] not in verdict.log


def _run(waiting):
    """The result of what waits for nothing but turns of the event loop."""
    return asyncio.run(waiting)
