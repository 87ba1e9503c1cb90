"""How a request body is read: in bounds, in time, and unzipped without surprises.

aiohttp is told not to inflate anything, because it would do so before anybody has looked at the size. Here every byte
is counted twice, as sent and as inflated, so a bomb of 8 KiB never becomes 8 GiB.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from email.message import Message
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from backfilld.api.framework.reading import strict_json
from backfilld.domain.errors import BackfilldError, Fault, Invalid, TooLarge, Unreadable, UnsupportedMediaType

BODY_TIMEOUT_SECONDS = 30.0
NDJSON = "application/x-ndjson"
_GZIP = 31  # zlib's number for a gzip header and the largest window
_PIECE = 64 * 1024  # inflated at most this much at once
_QUICK_BYTES = 256 * 1024  # larger documents are parsed in a thread, so that the loop goes on


class BodyTooSlow(BackfilldError):
    """The rest of the body did not come in time."""

    status, code = 408, "body_too_slow"


async def read_body(request: web.Request, limit: int, *, timeout_seconds: float = BODY_TIMEOUT_SECONDS) -> bytes:
    """The whole body, unzipped; TooLarge if it exceeds `limit` bytes in either form."""
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    gathered = bytearray()
    try:
        async with asyncio.timeout(timeout_seconds):
            async for piece in body_pieces(request, limit):
                gathered += piece
                if len(gathered) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise BodyTooSlow(f"the body did not arrive within {timeout_seconds:g} s") from None
    return bytes(gathered)


async def body_pieces(request: web.Request, limit: int | None = None) -> AsyncIterator[bytes]:
    """The body as it comes, unzipped, in pieces of at most 64 KiB (for routes that read lines).

    `limit` bounds what is sent, not what it inflates to; the consumer bounds that. No timeout: see `read_body`.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        source = _sent(request, limit)
    elif encoding in ("gzip", "x-gzip"):
        source = _inflated(_sent(request, limit))
    else:
        message = f"Content-Encoding {encoding[:40]!r} is not read here; send gzip, or nothing"
        raise UnsupportedMediaType(message, code="unsupported_encoding")
    async for piece in source:
        yield piece


async def _sent(request: web.Request, limit: int | None) -> AsyncIterator[bytes]:
    count = 0
    try:
        async for piece in request.content.iter_chunked(_PIECE):
            count += len(piece)
            if limit is not None and count > limit:
                raise _too_large(limit)
            yield piece
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as problem:
        raise Unreadable("the body ended before it was complete") from problem


async def _inflated(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=_GZIP)
    fed = False
    try:
        async for piece in source:
            rest = piece
            while rest:
                fed = True
                if inflater.eof:  # a gzip file may have several members
                    inflater = zlib.decompressobj(wbits=_GZIP)
                yield inflater.decompress(rest, _PIECE)
                rest = inflater.unconsumed_tail or inflater.unused_data
    except zlib.error:
        raise Unreadable("the body is not gzip, though Content-Encoding says so") from None
    if fed and not inflater.eof:
        raise Unreadable("the gzip body ended before it was complete")


async def read_json(raw: bytes, *, last_wins: bool = False) -> tuple[Any, bytes, list[Fault]]:
    """The document, its text as storable JSON, and the faults of texts and numbers in it.

    `Unreadable`, and `last_wins`, as in `strict_json.parse`.

    Where there are faults, the document and the text have them mended, so that everything else can still be checked.
    """
    if len(raw) > _QUICK_BYTES:
        return await asyncio.to_thread(_read_json, raw, last_wins)
    return _read_json(raw, last_wins)


def _read_json(raw: bytes, last_wins: bool) -> tuple[Any, bytes, list[Fault]]:
    document = strict_json.parse(raw, last_wins=last_wins)
    cleaned, faults = strict_json.clean(document) if strict_json.may_be_unclean(raw) else (document, [])
    # What the text says of a key that is given twice is for nobody else to decide.
    text = strict_json.dump(cleaned) if faults or last_wins else raw.removeprefix(b"\xef\xbb\xbf")
    return cleaned, text, faults


def content_type(request: web.Request) -> str | None:
    """The media type of the body in lower case, None if none is said; UnsupportedMediaType unless its text is UTF-8."""
    header = request.headers.get("Content-Type")
    if header is None or not header.strip():
        return None
    message = Message()
    message["Content-Type"] = header
    charset = message.get_param("charset")
    if isinstance(charset, str) and charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"charset {charset[:40]!r} is not read here; send UTF-8")
    return message.get_content_type() if "/" in header else header.strip().lower()


def require_type(request: web.Request, *accepted: str) -> str:
    """The media type of the body, which must be one of `accepted`; else UnsupportedMediaType."""
    found = content_type(request)
    if found not in accepted:
        shown = "none is given" if found is None else f"not {found[:60]!r}"
        hint = ""
        if found == "application/x-www-form-urlencoded":
            hint = f"; that is what curl -d says: add -H 'Content-Type: {accepted[-1]}'"
            if accepted[-1] == NDJSON:
                hint += ", and keep the line ends with --data-binary instead of -d"
        raise UnsupportedMediaType(f"Content-Type must be {' or '.join(accepted)}, {shown}{hint}")
    return found


def require_object(document: Any) -> None:
    """`Invalid` unless the document is a JSON object."""
    if not isinstance(document, dict):
        raise Invalid([Fault("", "invalid_type", f"must be an object, not {strict_json.kind(document)}")])


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes, the limit here (server.max_body_bytes)")
