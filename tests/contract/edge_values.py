"""Edge values of every type that a request may hold, as they are sent."""

import json
from urllib.parse import quote

from backfilld.api.framework.cursors import encode_cursor

TEXTS = (
    "", " ", "x", "\x00", "a\x00b", "\ud800", "x\udfffx", "\u202e", "\u200b", "\ufeff", "\n", "é" * 300, "x" * 300,
    "x" * 5_000, "'; DROP TABLE backfills; --", "%", "\\", "\\x00", "../../etc/passwd", "${x}", "${", "null",
    "true", "0", "-1", "1e400", "٣", "NaN", "Infinity", "infinity", "-infinity", "now", "now-999999999y",
    "now+9999999999999999999d", "now/d/d", "24:00", "99:99", "2027-02-30", "2027-03-28T02:30:00",
    "9999-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00", "-4712-01-01", "10000-01-01T00:00:00Z",
    "9000-12-31T23:59:59Z", "1000-01-01T00:00:00Z", "2027-03-01T00:00:00+99:99",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "00000000-0000-0000-0000-000000000000", "http://[::1]x/",
    "http://169.254.169.254/", "http://x/${entity.id}", "Factory", "localtime", "Europe/Berlin", "../etc", "ticket",
    "none", "cron>", "*/0 * * * *",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30,
    10**400, 0.5, 1.5, -0.0, 1e16, 1e308, -1e308, 5e-324,
)  # fmt: skip
OTHERS: tuple[object, ...] = (
    None, True, False, [], {}, [None], [[]], [{}], ["x", "x"], ["x"] * 2_000, [0], [10**30], {"": ""}, {"x": None},
    {"\x00": 1}, {"\ud800": 1}, {"x" * 300: 1}, {"status": "\x00"}, {"status": 10**30}, {"status": [1e308]},
    {"secret": "nope"}, {"rules": []}, {"combinator": "and", "rules": [{"field": "", "operator": "=", "value": 1}]},
    {"conditions": {}}, {"match_all": True}, {"type": "http"}, {"monday": [{}]}, {"daily>": "99:99:99"},
)  # fmt: skip
UNREADABLE = (
    "NaN", "-Infinity", "1e400", "01", "'x'", "nul", '"\\ud800"', '"\x01"', '{"a": 1, "a": 2}', "", "]",
    "[" * 2_000 + "]" * 2_000, '{"a":' * 200 + "1" + "}" * 200, "1" * 5_000, "-" + "9" * 400 + ".5",
)  # fmt: skip
JSON_TEXTS = tuple(json.dumps(value) for value in (*TEXTS, *NUMBERS, *OTHERS)) + UNREADABLE

CURSORS = tuple(
    encode_cursor(*key)
    for first in ("infinity", "-infinity", "x", "\x00", 0, -1, 2**63 - 1, 2**63, "9000-12-31T23:59:59+00:00",
                  "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+00:00", "x" * 2_000)
    for key in ((first,), (first, 1), (first, "x"), (first, first), (first, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
)  # fmt: skip
# parts of an address, as they are written in it
PARTS = (
    *(quote(text.encode("utf-8", "surrogatepass"), safe="") for text in TEXTS), "%00", "%ff", "%ED%A0%80", "%E0%80",
    "1,2", "1&x=1", *(str(number) for number in NUMBERS if len(str(number)) < 100),
)  # fmt: skip
HEADERS = ("", " ", "x", "*", '"1"', 'W/"1"', "0", "-1", "9" * 30, "x" * 300, "a\tb", "é", "1,2", '"', "٣", "null")
