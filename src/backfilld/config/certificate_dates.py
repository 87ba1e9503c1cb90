"""From when until when the certificates of a file are good.

OpenSSL does not say for a certificate that we show ourselves; so the two dates are read where X.509 puts them.
"""

import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17


@dataclass(frozen=True, slots=True)
class Validity:
    """Good from `begins` to `ends`."""

    begins: datetime
    ends: datetime


def validities_in(file: Path) -> tuple[Validity, ...]:
    """Of each certificate of a PEM file, the server's own first. What cannot be read is left out."""
    found = []
    for block in _PEM.findall(file.read_text(encoding="utf-8", errors="replace")):
        with suppress(ValueError, IndexError):
            found.append(_validity(ssl.PEM_cert_to_DER_cert(block)))
    return tuple(found)


def _validity(der: bytes) -> Validity:
    """Certificate = { tbs = { [version], serial, algorithm, issuer, { notBefore, notAfter }, … }, … }"""
    at = _inside(der, _inside(der, 0))
    before_dates = 4 if der[at] == _VERSION else 3
    for _ in range(before_dates):
        at = _behind(der, at)
    begins = _inside(der, at)
    return Validity(_instant(der, begins), _instant(der, _behind(der, begins)))


def _inside(der: bytes, at: int) -> int:
    if der[at] != _SEQUENCE:
        raise ValueError("no sequence where a certificate has one")
    return _content(der, at)[0]


def _behind(der: bytes, at: int) -> int:
    begins, length = _content(der, at)
    return begins + length


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the value of the element at `at` begins, and how long it is."""
    short = der[at + 1]
    if short < 0x80:
        return at + 2, short
    octets = short & 0x7F
    return at + 2 + octets, int.from_bytes(der[at + 2 : at + 2 + octets], "big")


def _instant(der: bytes, at: int) -> datetime:
    begins, length = _content(der, at)
    text = der[begins : begins + length].decode("ascii")
    if der[at] == _UTC_TIME:  # two digits of the year: 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
