"""Which failures are the same: what varies does not keep them apart, what is said does."""

import pytest

from backfilld.domain.backfills.failures.fingerprints import LOOKED_AT, VERSION, common_text, fingerprint, normalised

SAME = [
    ("ticket 100413 is locked by user u77", "ticket 9 is locked by user u5"),
    ("no record 6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11", "no record 00000000-0000-4000-8000-000000000000"),
    ("GET https://crm.example/a/1?x=y failed", "GET http://other/ failed"),
    ("unknown address a.b+c@example.com", "unknown address ops@x.example"),
    ("locked since 2026-03-01T12:00:00.5Z", "locked since 2027-01-01 00:00:00"),
    ('unknown category "Hardware"', 'unknown category "Printers and such"'),
    ("unknown category ‘a’", "unknown category ‘b c’"),
    ("hash deadbeef01 differs", "hash 0123456789abcdef differs"),
    ("took 3.5 s", "took 12 s"),
    ("a  message\n over\tlines", "a message over lines"),
    ("id a1/b2:c3.4 is odd", "id 7 is odd"),
]
DIFFERENT = [
    ("HTTP 500: x", "HTTP 502: x"),
    ("no such model", "no such ticket"),
    ("it's locked by 'ann'", "it's held by 'ann'"),
    ("", "x"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_varies_does_not_keep_failures_apart(one: str, other: str):
    assert normalised(one) == normalised(other)
    assert fingerprint("http_409", one) == fingerprint("http_409", other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_said_does(one: str, other: str):
    assert fingerprint("http_409", one) != fingerprint("http_409", other)


def test_the_class_keeps_them_apart():
    assert fingerprint("timeout", "x") != fingerprint("http_500", "x")


def test_an_apostrophe_is_no_quotation():
    assert "don't know what's ‹…›" == normalised("don't know what's 5")


def test_rules_are_told_by_their_version_so_that_old_groups_stay():
    assert bytes.fromhex("014fd7ca784fe4824b") == fingerprint("a", "ticket 100413 is locked by user u77")
    assert (9, VERSION) == (len(fingerprint(None, None)), fingerprint(None, None)[0])


def test_only_the_beginning_of_a_message_counts():
    assert fingerprint("x", "a" * LOOKED_AT + "b") == fingerprint("x", "a" * LOOKED_AT + "c")


@pytest.mark.parametrize("text", ["a" * 5000, "1" * 5000, "." * 5000, "a@" * 2500, '"' * 5000, "a.b" * 1600, "\ud800"])
def test_every_text_has_a_fingerprint(text: str):
    assert 9 == len(fingerprint("x", text))


def test_gaps_are_shown_only_where_messages_differ():
    assert "ticket ‹…› in col2 is locked by ‹…›" == common_text(
        ["ticket 1 in col2 is locked by u7", "ticket 2 in col2 is locked by u8", "ticket 1 in col2 is locked by u9"]
    )


@pytest.mark.parametrize(("messages", "told"), [([], ""), (["row 5 is bad"], "row 5 is bad"), (["", ""], "")])
def test_one_message_is_told_as_it_is(messages: list[str], told: str):
    assert told == common_text(messages)
