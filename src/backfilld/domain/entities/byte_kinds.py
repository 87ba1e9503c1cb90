"""What a file is, whatever it is called: told by its first bytes.

People hand in workbooks, archives and UTF-16 where lines of text are wanted. A message about byte 0 or an unexpected
character helps nobody; one that says what the file is, and the one thing to do about it, does.
"""

import re
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 4096  # as much as should be looked at


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` follows "is", as in "is an Excel workbook"; `advice` is what to do. `encoding` is set for text."""

    name: str
    advice: str
    encoding: str | None = None


GZIP: Final = Kind("compressed by gzip", "unpack it")
_WORKBOOK = "save it as CSV UTF-8 and take that file"
_UNPACK = "unpack it, and take the file inside"
_MAGIC: Final = (
    (b"\x1f\x8b", GZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an old Excel workbook (.xls)", _WORKBOOK)),
    (b"BZh", Kind("compressed by bzip2", _UNPACK)),
    (b"\xfd7zXZ\x00", Kind("compressed by xz", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("compressed by zstd", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (b"PAR1", Kind("a Parquet file", "export it as CSV or JSON lines")),
    (b"SQLite format 3\x00", Kind("an SQLite database", "export the table as CSV")),
    (b"%PDF-", Kind("a PDF document", "export the table itself as CSV")),
    (b"PGDMP", Kind("a dump of PostgreSQL", "export the table as CSV (\\copy … TO … CSV HEADER)")),
)
_SAVE_UTF8 = "save it as UTF-8"
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", Kind("UTF-32", _SAVE_UTF8, "utf-32")),
    (b"\x00\x00\xfe\xff", Kind("UTF-32", _SAVE_UTF8, "utf-32")),
    (b"\xff\xfe", Kind("UTF-16", _SAVE_UTF8, "utf-16")),
    (b"\xfe\xff", Kind("UTF-16", _SAVE_UTF8, "utf-16")),
)
_PAGE = re.compile(rb"\s*(?:<!doctype html|<html|<head|<body)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml")


def kind_of(head: bytes) -> Kind | None:
    """What a file that begins with `head` is, if that is something else than UTF-8 text of CSV or JSON."""
    for magic, kind in (*_MARKS, *_MAGIC):
        if head.startswith(magic):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(head)
    if _PAGE.match(head):
        return Kind("a web page", "an export behind a login often is; fetch it as somebody who is logged in")
    if _XML.match(head):
        return Kind("XML", "export it as CSV or JSON lines")
    return _without_mark(head)


def _zip(head: bytes) -> Kind:
    if b"xl/" in head or b"[Content_Types].xml" in head:
        return Kind("an Excel workbook (.xlsx)", _WORKBOOK)
    if b"opendocument" in head:
        return Kind("an OpenDocument spreadsheet (.ods)", _WORKBOOK)
    return Kind("a zip archive", _UNPACK)


def _without_mark(head: bytes) -> Kind | None:
    # Letters of ASCII have a NUL beside them in UTF-16: on the same side, in nearly every pair of bytes.
    pairs = len(head) // 2
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if pairs >= 2 and head[offset : pairs * 2 : 2].count(0) * 10 >= pairs * 9 and head[1 - offset] != 0:
            return Kind("UTF-16", _SAVE_UTF8, encoding)
    return None
