"""Nothing of an upload vanishes without a word, and what is no upload is called by its name."""

import asyncio
import codecs
import gzip
import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import FakeClock

from backfilld.api.public.entities.bodies import rows_of_lines
from backfilld.api.public.entities.routes import routes
from backfilld.domain.entities.pair_lists import PairLists, parse_members
from backfilld.operations.entities import Entities, Upload
from backfilld.sources.builtin import BuiltinSource
from backfilld.sources.registry import SourceRegistry
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityRow, EntityUploads

TICKETS = "/public-api/entities/ticket"
NDJSON, JSON = "application/x-ndjson", "application/json"
LIMIT = 1024 * 1024


@pytest.fixture
async def client(pool: Any, clock: FakeClock, serve: Serve) -> Client:
    store = EntityStore(pool)

    async def learned(entity_type: str) -> Any:
        return (await store.get_type(entity_type)).fields

    lists = {"ticket": PairLists({("udf",): parse_members("name_value")})}
    sources = SourceRegistry({"builtin": BuiltinSource(store)}, learned=learned, lists=lists)
    return await serve(routes(Entities(store, EntityUploads(pool), sources, clock), clock, max_body_bytes=LIMIT))


async def put(client: Client, body: bytes, kind: str = NDJSON, query: str = "") -> tuple[int, Any]:
    async with client.put(TICKETS + query, data=body, headers={"Content-Type": kind}) as answer:
        return answer.status, await answer.json()


def written(kind: str, *records: Any) -> bytes:
    if kind == JSON:
        return json.dumps(records).encode()
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def ticket(id: str, **attributes: Any) -> dict[str, Any]:
    return {"id": id, "attributes": attributes}


async def warnings(client: Client, kind: str, *records: Any) -> list[str]:
    status, answer = await put(client, written(kind, *records), kind)
    assert 200 == status, answer
    return list(answer["meta"]["warnings"])


BOTH = pytest.mark.parametrize(("kind", "first"), [(NDJSON, 1), (JSON, 0)])


@BOTH
async def test_replaced_entities_are_counted_with_their_places(client: Client, kind: str, first: int) -> None:
    (warning,) = await warnings(client, kind, *[ticket(id) for id in "abacaa"])

    assert warning.startswith("3 entities were replaced by a later one with the same id in this upload: ")
    assert f"/{first} by /{first + 5} (id 'a'), /{first + 2} by /{first + 5} (id 'a')" in warning
    assert "spreadsheet" not in warning


async def test_of_many_replaced_the_first_places_are_told(client: Client) -> None:
    (warning,) = await warnings(client, NDJSON, *[ticket(str(n % 10)) for n in range(1_000)])

    assert warning.startswith("990 entities were replaced")
    assert warning.endswith("/5 by /995 (id '4') and 985 more")


async def test_lines_are_counted_as_the_sender_sees_them(client: Client) -> None:
    _, answer = await put(client, b"\n\n" + written(NDJSON, ticket("a")) + b"\n" + written(NDJSON, ticket("a")))

    assert "/3 by /5" in answer["meta"]["warnings"][0]


@pytest.mark.parametrize("id", ["9.06E+17", "9,06E+17", "906123456789012000"])
async def test_equal_ids_that_a_spreadsheet_rounded_get_a_hint(client: Client, id: str) -> None:
    found = await warnings(client, NDJSON, ticket(id), ticket(id))

    assert any("a spreadsheet rounds long numbers" in warning for warning in found)


async def test_a_rounded_id_is_told_even_alone(client: Client) -> None:
    (warning,) = await warnings(client, NDJSON, ticket("1"), ticket("9.06E+17"))

    assert "1 id has the look of a rounded number, such as '9.06E+17' (at /2)" in warning


@BOTH
async def test_an_invisible_character_at_the_end_of_an_id_is_told(client: Client, kind: str, first: int) -> None:
    for id in ("T-1 ", " T-1", "T-1\u00a0", "T-1\u200b", "\ufeffT-1", "T-1\u2060", "T-1\u00ad"):
        (warning,) = await warnings(client, kind, ticket("T-1"), ticket(id))

        assert f"{id!a} (at /{first + 1})" in warning
        assert "that is another entity" in warning, f"{id!a}"


async def test_usual_ids_pass_without_a_word(client: Client) -> None:
    for id in ("T-1", "T 1", "\U0001f600", "a\u200bb", "ü", "E+17", "1E-5"):
        assert [] == await warnings(client, NDJSON, ticket(id)), id


async def test_entities_older_than_what_is_stored_are_counted(client: Client) -> None:
    at = {"updated_at": "2026-05-02T00:00:00Z"}
    await put(client, written(NDJSON, ticket("a", n=1) | at, ticket("b", n=1) | at))
    before = {"updated_at": "2026-05-01T00:00:00Z"}
    older = await warnings(client, NDJSON, ticket("a", n=2) | before, ticket("b", n=1) | before)
    status, replaced = await put(client, written(NDJSON, ticket("a", n=2) | before), query="?replace=true")

    assert ["1 entity is older than what is stored (by updated_at) and changed nothing"] == older
    assert (200, []) == (status, replaced["meta"]["warnings"])


@BOTH
async def test_lists_of_pairs_are_stored_as_objects(client: Client, kind: str, first: int) -> None:
    udf = [{"name": "Site", "value": "Oslo"}, {"name": "Floor", "value": 3}]
    said = await warnings(client, kind, ticket("a", udf=udf), ticket("b", udf=[1]), ticket("c"))
    async with client.get(TICKETS) as answer:
        found = [entity["attributes"] for entity in (await answer.json())["data"]["entities"]]

    assert [{"udf": {"Site": "Oslo", "Floor": 3}}, {"udf": [1]}, {}] == found
    assert ["`udf` is no list of {name, value} and stays a list: 1"] == said


# Known fields in the body


async def known(client: Client) -> dict[str, str]:
    async with client.get("/public-api/entity-types") as answer:
        types = (await answer.json())["data"]["entity_types"]
    return next(dict(one["fields_imported"]) for one in types if one["name"] == "ticket")


@BOTH
async def test_the_types_of_two_thousand_fields_come_in_the_body(client: Client, kind: str, first: int) -> None:
    names = [f"Custom_Field_Name_{n:04}__c" for n in range(2_000)]
    types = {"field_types": dict.fromkeys(names, "integer")}
    last = {"field_types": {"a.b": "date", names[0]: "string"}}
    status, answer = await put(client, written(kind, types, ticket("1", **dict.fromkeys(names, 7)), last), kind)

    assert (200, 1) == (status, answer["data"]["inserted"])
    assert dict.fromkeys(names, "integer") | {"a.b": "date", names[0]: "string"} == await known(client)


@BOTH
@pytest.mark.parametrize(
    ("record", "path", "code"),
    [
        ({"field_types": []}, "/field_types", "invalid_type"),
        ({"field_types": {"n": "int"}}, "/field_types/n", "invalid_value"),
        ({"field_types": {"a..b": "date"}}, "/field_types/a..b", "invalid_path"),
        ({"field_types": {}, "replace": True}, "/replace", "unknown_field"),
        ({"field_types": {}, "id": "1", "attributes": {}}, "/field_types", "unknown_field"),
    ],
)
async def test_bad_field_types_are_told_by_place(
    client: Client, kind: str, first: int, record: Any, path: str, code: str
) -> None:
    status, answer = await put(client, written(kind, ticket("1"), record), kind)

    assert 422 == status
    assert {f"/{first + 1}{path}": code} == {one["path"]: one["code"] for one in answer["error"]["details"]}


# Batches


class Body:
    """As much of a request as the reader of lines asks for."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.headers: dict[str, str] = {}
        self.content = self
        self._pieces = pieces

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            for start in range(0, len(piece), size):
                yield piece[start : start + size]


@pytest.mark.parametrize(("width", "most"), [(250 * 1024, 5), (10 * 1024, 110), (10, 500)])
async def test_a_batch_is_bounded_in_rows_and_in_bytes(clock: FakeClock, width: int, most: int) -> None:
    count = most * 3
    body: Any = Body([written(NDJSON, ticket(str(n), text="x" * width)) for n in range(count)])
    sizes = []
    rows: list[EntityRow] = []
    async for batch in rows_of_lines(body, Upload(), clock, stall_seconds=30):
        sizes.append(len(batch))
        rows += batch

    assert max(sizes) <= most
    assert [str(n) for n in range(count)] == [row[1] for row in rows]


# What is no upload


def workbook() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return packed.getvalue()


ONE = written(NDJSON, ticket("1"))


NO_LINES = [
    (gzip.compress(ONE), "compressed by gzip", "Content-Encoding: gzip"),
    (codecs.BOM_UTF16_LE + ONE.decode().encode("utf-16-le"), "UTF-16", "save it as UTF-8"),
    (ONE.decode().encode("utf-16-be"), "UTF-16", "save it as UTF-8"),
    (workbook(), "an Excel workbook", "CSV"),
    (b"<!DOCTYPE html><title>Sign in</title>", "a web page", "logged in"),
    (b"[\n" + ONE + b"]", "a JSON list", "application/json"),
    (b"[" + ONE.strip() + b"]", "a list", "application/json"),
    (ONE.strip() + ONE.strip(), "several entities", "--data-binary"),
    (ONE.strip() * 20_000, "several entities", "--data-binary"),
    (b"id,name\n1,x\n", "CSV", "backfilld entities import"),
    (b'{\n  "id": "1"\n}', "one line", "jq -c"),
]


async def test_what_is_not_lines_of_json_is_called_by_its_name(client: Client) -> None:
    for body, name, advice in NO_LINES:
        status, answer = await put(client, body)
        said = json.dumps(answer["error"])

        assert status in (413, 422), body[:50]
        assert name in said, body[:50]
        assert advice in said, body[:50]


NO_LISTS = [
    (gzip.compress(b"[]"), "compressed by gzip: send it with Content-Encoding: gzip"),
    ("[]".encode("utf-16"), "UTF-16: save it as UTF-8"),
    (workbook(), "an Excel workbook (.xlsx): save it as CSV UTF-8"),
]


async def test_what_is_not_a_json_list_is_called_by_its_name(client: Client) -> None:
    for body, said in NO_LISTS:
        status, answer = await put(client, body, JSON)

        assert 400 == status, said
        assert said in answer["error"]["message"]


async def test_a_form_is_what_curl_says_by_default(client: Client) -> None:
    status, answer = await put(client, ONE, "application/x-www-form-urlencoded")

    assert 415 == status
    assert "add -H 'Content-Type: application/x-ndjson'" in answer["error"]["message"]
    assert "--data-binary" in answer["error"]["message"]


async def test_lines_sent_as_json_are_told_to_be_lines(client: Client) -> None:
    status, answer = await put(client, ONE + ONE, JSON)

    assert 400 == status
    assert "one entity a line is application/x-ndjson" in answer["error"]["message"]


async def test_wide_uploads_that_wait_cost_no_memory(client: Client) -> None:
    piece = written(NDJSON, ticket("1", text="x" * (250 * 1024)))
    pieces, uploads = 24, 10  # 6 MiB each

    async def body() -> AsyncIterator[bytes]:
        for number in range(pieces):
            yield piece.replace(b'"1"', b'"%d"' % number, 1)

    async def send() -> int:
        async with client.put(TICKETS, data=body(), headers={"Content-Type": NDJSON}) as answer:
            return answer.status

    tracemalloc.start()
    try:
        statuses = await asyncio.gather(*(send() for _ in range(uploads)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [200] * uploads == statuses
    assert peak < 28 * 1024 * 1024  # of 60; most of it stands in the buffers of this side's ten connections
