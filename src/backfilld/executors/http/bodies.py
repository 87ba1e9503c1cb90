"""The body of an answer, as far as it can be read."""

import zlib

from backfilld.executors.answers.documents import (
    BROKEN,
    NOTHING,
    Document,
    claims_json,
    decoded_text,
    document_in,
    well_formed,
)
from backfilld.executors.answers.hiding import NOTHING_HIDDEN, Hiding
from backfilld.executors.http.wire.response_parser import Answer

MOST_DECOMPRESSED_BYTES = 1 << 20
TOO_LONG = Document(oddity="the answer is too long to be read")
_COMPRESSED = Document(oddity="the answer is compressed, which was not asked for, and cannot be read")


def document_of(answer: Answer) -> Document:
    """What the body says."""
    if not answer.complete:
        return TOO_LONG
    if not answer.body:
        return NOTHING
    if (document := well_formed(answer.body)) is not None:
        return document
    body, kind = answer.body, answer.headers.get("Content-Type", "")
    if "Content-Encoding" in answer.headers:
        unpacked, is_whole = _unpacked(answer)
        if unpacked is None:
            return BROKEN if claims_json(kind) else _COMPRESSED
        if not is_whole:
            return TOO_LONG
        body = unpacked
    return document_in(body, kind)


def text_of(answer: Answer, hide: Hiding = NOTHING_HIDDEN) -> str:
    """The body as people read it, as far as it was read; without what may be half a secret at its end."""
    body, is_whole = _unpacked(answer)
    if body is None:
        return "(the answer is compressed, and was not read to its end)"
    text, _ = decoded_text(body, answer.headers.get("Content-Type", ""))
    return text if answer.complete and is_whole else hide.without_end(text) + "\n… the rest was not read"


def _unpacked(answer: Answer) -> tuple[bytes | None, bool]:
    """The body without its content encoding, and whether that is all of it; None if it cannot be read.

    We ask for no encoding, but some compress anyway.
    """
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return answer.body, True
    if encoding == "deflate" and answer.body[:1] and answer.body[0] & 0x0F != zlib.DEFLATED:
        return _decompressed(answer.body, -zlib.MAX_WBITS)  # without a header, as many send it
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _decompressed(answer.body, zlib.MAX_WBITS | 32)  # either header
    return None, False


def _decompressed(packed: bytes, bits: int) -> tuple[bytes | None, bool]:
    body = b""
    try:
        while packed and len(body) < MOST_DECOMPRESSED_BYTES:  # gzip may come in several members
            decompressor = zlib.decompressobj(bits)
            body += decompressor.decompress(packed, MOST_DECOMPRESSED_BYTES - len(body))
            if not decompressor.eof:
                return (body, False) if decompressor.unconsumed_tail else (None, False)
            packed = decompressor.unused_data.lstrip(b"\0")
    except zlib.error:
        return (body, True) if body else (None, False)
    return body, not packed
