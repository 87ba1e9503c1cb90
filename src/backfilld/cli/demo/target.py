"""The demo's target: a small HTTP service that classifies tickets, in a process of its own.

It behaves as targets do: it takes a while, refuses some tickets for good and some for a while, and now and then asks
for patience. What happens to a ticket depends on nothing but its id and the attempt, so every demo tells the same
story. Requests that are not signed with the shared secret are refused.

    python -m backfilld.cli.demo.target --address-file FILE --secret-file FILE
"""

import asyncio
import base64
import hashlib
import hmac
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import orjson
from aiohttp import web

from backfilld.clock import SystemClock

TOLERANCE_SECONDS = 300.0
CATEGORIES = (
    ("email", ("mail",)),
    ("accounts", ("password", "starter", "leaver", "locked")),
    ("network", ("vpn", "wi-fi", "route")),
    ("printing", ("print", "scanner", "toner")),
    ("hardware", ("laptop", "dock", "battery")),
    ("billing", ("invoice", "licence", "address")),
)
CLOCK = SystemClock()


class Signatures:
    """Checks the three headers of Standard Webhooks against the shared secret (`whsec_` and base64)."""

    def __init__(self, secret: str, clock: SystemClock = CLOCK) -> None:
        self._key = base64.b64decode(secret.strip().removeprefix("whsec_"))
        self._clock = clock

    def fault(self, headers: Any, body: bytes) -> str | None:
        """What is wrong with a request's signature; None if nothing is."""
        id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not sent_at.isdigit() or abs(self._clock.now().timestamp() - int(sent_at)) > TOLERANCE_SECONDS:
            return "webhook-timestamp is missing, or too far from now"
        digest = hmac.new(self._key, f"{id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        given = headers.get("webhook-signature", "").split(" ")
        if any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in given):
            return None
        return "webhook-signature does not fit the body"


def fate(entity_id: str, attempt: int) -> tuple[int, str, float]:
    """(HTTP status, what to say, seconds it takes) for this try of this ticket. Status 200 and `` is a success.

    In a thousand tickets: 20 closed for good (422), 10 unknown (404), 50 fail once and 10 twice (500),
    12 are asked to come back (429), 15 have nothing to classify (200, skipped).
    """
    digest = hashlib.sha256(f"demo {entity_id}".encode()).digest()
    draw = int.from_bytes(digest[:4]) % 1000
    seconds = (5 + digest[4 + attempt % 8] % 46) / 1000
    if draw < 20:
        return 422, "the ticket is locked by an open invoice", seconds
    if draw < 30:
        return 404, "no such ticket in the archive", seconds
    if (draw < 80 and attempt == 1) or (80 <= draw < 90 and attempt <= 2):
        return 500, "the classifier ran out of memory", seconds
    if 90 <= draw < 102 and attempt == 1:
        return 429, "too many requests", seconds
    if 102 <= draw < 117:
        return 200, "the subject says nothing", seconds
    return 200, "", seconds


def classify(entity: dict[str, Any]) -> dict[str, Any]:
    """The answer for a ticket that went well."""
    subject = str(entity["attributes"].get("subject", "")).lower()
    fitting = (category for category, words in CATEGORIES if any(word in subject for word in words))
    category = next(fitting, "software")
    confidence = 70 + hashlib.sha256(entity["id"].encode()).digest()[0] % 30
    result = {"category": category, "confidence": confidence / 100}
    return {"status": "succeeded", "message": f"classified as {category}", "result": result, "credits": 0.01}


class Target:
    """The service's one route."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if wrong := self._signatures.fault(request.headers, body):
            return _json({"error": wrong}, 401)
        item = orjson.loads(body)
        status, words, seconds = fate(item["entity"]["id"], item["attempt"])
        await CLOCK.sleep(seconds)
        if status != 200:
            headers = {"Retry-After": "1"} if status == 429 else None
            return _json({"error": words, "message": words}, status, headers)
        if words:
            return _json({"status": "skipped", "message": words}, 200)
        return _json(classify(item["entity"]), 200)


def _json(document: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> web.Response:
    body = orjson.dumps(document)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def serve(secret: str, address_file: Path, *, while_stdin_is_open: bool) -> None:
    """Answer until SIGTERM or SIGINT (or the end of stdin); the address is written once it can be used."""
    app = web.Application()
    app.router.add_post("/classify", Target(Signatures(secret)).answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    fresh = address_file.with_suffix(".new")
    fresh.write_text(f"http://127.0.0.1:{port}\n")
    fresh.replace(address_file)
    try:
        await _told_to_stop(while_stdin_is_open)
    finally:
        await runner.cleanup()


async def _told_to_stop(while_stdin_is_open: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if while_stdin_is_open:  # whoever started us may be killed without a goodbye; its end of the pipe closes then

        def look() -> None:
            with suppress(OSError):
                if os.read(sys.stdin.fileno(), 1024):
                    return
            stop.set()

        loop.add_reader(sys.stdin.fileno(), look)
    await stop.wait()


@click.command()
@click.option("--address-file", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--secret-file", type=click.Path(dir_okay=False, exists=True, path_type=Path), required=True)
@click.option("--while-stdin-is-open", is_flag=True, help="Stop when whoever started this is gone.")
def command(address_file: Path, secret_file: Path, while_stdin_is_open: bool) -> None:
    """Serve the demo's target."""
    asyncio.run(serve(secret_file.read_text(), address_file, while_stdin_is_open=while_stdin_is_open))


if __name__ == "__main__":
    command()
