"""Answers that make no sense, do not end, are too large or come too late: nothing is lost, and it ends."""

import pytest
from tests.fake_psa.generic import GenericApi
from tests.sources.http.conftest import ALL, KEYSET, PAGINGS, Making, by, crm
from tests.sources.sql_asking import ids, listed, rule, tree_of

from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.http.answers import Unreachable
from backfilld.sources.http.asking.wire import WireLimits
from backfilld.sources.http.source import HttpSource

OPEN, CLOSED = rule("status", "=", "open"), rule("status", "=", "closed")


def bounded(source: HttpSource, most_bytes: int) -> None:
    """Nothing longer is read."""
    source.connection._sender._wire._limits = WireLimits(most_bytes=most_bytes)


# What would never end


@pytest.mark.parametrize(
    ("kind", "answers", "words"),
    [
        ("keyset", [{"data": [{"id": "a"}, {"id": "c"}]}], "do not ascend: 'a' comes a second time"),
        ("keyset", [{"data": [{"id": "a"}, {"id": "c"}]}, {"data": [{"id": "b"}, {"id": "c"}]}], "'c' comes a second"),
        ("page", [{"data": [{"id": 1}, {"id": 2}]}], "come again; are pages asked by 'page'"),
        ("offset", [{"data": [{"id": 1}, {"id": 2}]}], "come again; are pages asked by 'offset'"),
        (
            "cursor",
            [{"data": [{"id": n}], "meta": {"next": token}} for n, token in enumerate(["x", "y", "x"])],
            "one that was read before",
        ),
        ("next", [{"data": [{"id": n}], "next": f"/next?{place}"} for n, place in enumerate("xyx")], "read before"),
    ],
)
async def test_a_listing_that_goes_round_in_circles_is_broken(
    api: GenericApi, making: Making, kind: str, answers: list[object], words: str
) -> None:
    source = making(crm(api.url) + by(kind))["ticket"]
    for _ in range(3):
        for answer in answers:
            api.reply(200, answer)
    with pytest.raises(SourceBroken, match=words):
        await listed(source)


# Filters that are not understood


async def test_one_filter_that_is_refused_costs_no_other_one(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(400, {"error": "unknown status"})
    await listed(source, tree_of(OPEN))
    api.asked.clear()
    closed = await ids(source, tree_of(CLOSED))
    every = await ids(source, tree_of(OPEN))

    assert [str(n) for n in range(0, 250, 5)] == closed
    assert ["closed", *[None] * 3] == [one.query.get("status") for one in api.asked]
    assert ALL == every


async def test_a_number_that_cannot_be_asked_for_is_found_by_looking(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET.replace("size = 100", "size = 300"))["ticket"]
    api.reply(400, {"error": "unknown status"})

    assert 200 == await source.count(EntityQuery("ticket", tree_of(OPEN)), within_seconds=5)


@pytest.mark.parametrize("kind", ["page", "offset", "cursor"])
async def test_a_listing_without_its_filter_goes_on_without_it(api: GenericApi, making: Making, kind: str) -> None:
    push = 'push.status = { operators = ["="], parameter = "status", exact = true }'
    text = crm(api.url) + by(kind).rstrip() + "\n" + push
    api.reply(400, {"error": "unknown status"})
    pages = making(text)["ticket"].pages(EntityQuery("ticket", tree_of(OPEN)), cursor=None, page_size=1)
    first = [(len(page.entities), page.cursor, page.exact) async for page in pages][1]
    rest = await ids(making(text)["ticket"], tree_of(OPEN), cursor=first[1])  # a new process knows nothing of it

    assert (100, False) == (first[0], first[2])
    assert ALL[100:] == rest


# One page that cannot be had


async def test_what_else_is_listed_meanwhile_does_not_hide_a_broken_page(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    for n in range(5):
        api.reply(500, {})
        with pytest.raises(SourceUnreachable if n < 4 else SourceBroken):
            await listed(source, tree_of(OPEN))
        await listed(source, tree_of(CLOSED), cursor='["keyset",30]')


# Too large, and too slow


@pytest.mark.parametrize("kind", PAGINGS)
async def test_of_pages_that_are_too_large_smaller_ones_are_asked_for(
    api: GenericApi, making: Making, kind: str
) -> None:
    source = making(crm(api.url) + by(kind))["ticket"]
    bounded(source, 2_000)
    found = await ids(source)
    pages = source.pages(EntityQuery("ticket"), cursor=None, page_size=1)
    cursor = [page.cursor async for page in pages][3]
    again = making(crm(api.url) + by(kind))["ticket"]  # a new process, which has not learnt it
    rest = await ids(again, cursor=cursor)

    assert ALL == found
    assert ALL == sorted({*found[: len(ALL) - len(rest)], *rest}, key=int)
    assert "25" == api.asked[3].query["limit"]


@pytest.mark.parametrize("kind", PAGINGS)
async def test_a_page_that_grows_too_large_in_the_middle_loses_no_record(
    api: GenericApi, making: Making, kind: str
) -> None:
    for n in range(120, 140):
        api.records[n]["text"] = "x" * 1_000
    source = making(crm(api.url) + by(kind))["ticket"]
    bounded(source, 15_000)

    assert ALL == await ids(source)


async def test_one_record_that_is_too_large_is_broken(api: GenericApi, making: Making) -> None:
    api.records[7]["text"] = "x" * 10_000
    source = making(crm(api.url) + KEYSET)["ticket"]
    bounded(source, 5_000)
    with pytest.raises(SourceBroken, match="more than 5000 bytes"):
        await listed(source)


async def test_no_fewer_than_a_hundred_are_asked_for_where_it_is_slow(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET.replace("size = 100", "size = 1000"))["ticket"]
    source._lister._connection._meaning = _always_slow
    with pytest.raises(SourceUnreachable, match="slow"):
        await listed(source)

    assert ["1000", "500", "250", "125", "100"] == [one.query["limit"] for one in api.asked]


def _always_slow(*_: object) -> Exception:
    return Unreachable("it is slow", is_slow=True)


async def test_records_are_read_again_by_halves_where_all_are_too_much(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    bounded(source, 2_000)
    wanted = [str(n) for n in range(100)]

    assert wanted == list(await source.read("ticket", wanted))


# Listings that shift


async def test_what_is_listed_anew_is_given_once(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + by("page"))["ticket"]
    api.on_request = lambda asked: api.records.pop(3, None) if asked.query.get("page") == "2" else None

    assert ALL == sorted(await ids(source), key=int)


# Records that cannot be kept as they are


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"data": [{"id": 1, "size": 18446744073709551616}]}',
            "keyset gives 18446744073709551616, a whole number of more",
        ),
        ('{"data": [{"id": 123456789012345678901234}]}', "no id .* whole number"),
        ('{"data": [{"id": 1, "a": ' + "[" * 900 + "1e30" + "]" * 900 + "}]}", "levels of lists"),
        ('{"data": [{"id": 1, "a": ' + "[" * 32 + "]" * 32 + "}]}", "ticket '1' has more than 32 levels"),
        ('{"data": [{"id": "a\\u0000b"}]}', "the id of record 0"),
        ('{"data": [{"id": 1}, 7]}', "record 1 of"),
        ('{"data": [{"id": null}]}', "record 0 of .* has no id"),
        ('{"data": [{"id": true}]}', "record 0 of .* has no id"),
        ('{"data": [{"id": 1.5}]}', "record 0 of .* has no id"),
        ('{"data": [{"id": 1}, {"id": "1"}]}', "the id '1' twice"),
    ],
)
async def test_a_record_that_cannot_be_taken_is_named(api: GenericApi, making: Making, text: str, words: str) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(text=text)
    with pytest.raises(SourceBroken, match=words):
        await listed(source)


async def test_large_numbers_and_long_digits_that_fit_are_taken(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(
        200, {"data": [{"id": 2**63 - 1, "least": -(2**63), "text": "9" * 40, "fraction": 0.1234567890123456789}]}
    )
    [found] = await listed(source)

    assert "9223372036854775807" == found.id
    assert (-(2**63), "9" * 40) == (found.attributes["least"], found.attributes["text"])


async def test_a_nul_in_a_text_that_a_plan_keeps_is_replaced(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + by("keyset"))["ticket"]
    api.reply(text='{"data": [{"id": 1, "text": "a\\u0000b", "inner": [{"x": "\\u0000"}], "plain": "\\\\u0000"}]}')
    found, *_ = await listed(source)

    assert {"id": 1, "text": "a\ufffdb", "inner": [{"x": "\ufffd"}], "plain": "\\u0000"} == found.attributes


async def test_a_parent_whose_id_has_a_slash_is_broken(api: GenericApi, making: Making) -> None:
    text = """
        [entity_types.company]
        source = "http"
        [entity_types.company.http]
        connection = "crm"
        path = "/keyset"
        records = "data"
        [entity_types.ticket.http]
        connection = "crm"
        path = "/companies/{parent}/notes"
        records = "data"
        parent = { type = "company" }
    """
    api.reply(200, {"data": [{"id": "a/b"}]})
    with pytest.raises(SourceBroken, match="company 'a/b' has a slash"):
        await listed(making(crm(api.url) + text)["ticket"])
