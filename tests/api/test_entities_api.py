"""The entity routes: what may be uploaded, how faults are told, what comes back."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from yarl import URL

from backfilld.api.public.entities.lines import LONGEST_LINE
from backfilld.api.public.entities.routes import routes
from backfilld.domain.errors import FAULTS_SHOWN
from backfilld.operations.entities import Entities
from backfilld.sources.builtin import BuiltinSource
from backfilld.sources.registry import SourceRegistry
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityUploads

TICKETS = "/public-api/entities/ticket"
NDJSON = {"Content-Type": "application/x-ndjson"}
LIMIT = 64 * 1024


@pytest.fixture
def entities(pool: Any, clock: FakeClock) -> Entities:
    store = EntityStore(pool)

    async def learned(entity_type: str) -> Any:
        return (await store.get_type(entity_type)).fields

    sources = SourceRegistry(
        {"builtin": BuiltinSource(store), "sql": BuiltinSource(store)},
        source_of={"project": "sql"},
        configured={"ticket": {"n": "number"}},
        learned=learned,
    )
    return Entities(store, EntityUploads(pool), sources, clock)


@pytest.fixture
async def client(entities: Entities, clock: FakeClock, serve: Serve) -> Client:
    return await serve(routes(entities, clock, max_body_bytes=LIMIT))


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def ticket(id: str = "1", **attributes: Any) -> dict[str, Any]:
    return {"id": id, "attributes": attributes}


async def put(client: Client, body: Any, headers: Any = NDJSON, query: str = "") -> tuple[int, Any]:
    async with client.put(TICKETS + query, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def faults(client: Client, body: Any, headers: Any = NDJSON, query: str = "") -> dict[str, str]:
    status, answer = await put(client, body, headers, query)
    assert 422 == status, answer
    return {fault["path"]: fault["code"] for fault in answer["error"]["details"]}


async def stored(client: Client) -> list[str]:
    async with client.get(TICKETS + "?page_size=200") as answer:
        return [entity["id"] for entity in (await answer.json())["data"]["entities"]]


async def test_lines_are_stored_and_can_be_read_back(client: Client) -> None:
    status, answer = await put(
        client, lines(ticket("a", n=1), ticket("b") | {"updated_at": "2026-05-01T12:00:00+02:00"})
    )
    async with client.get(f"{TICKETS}/b") as found:
        entity = (await found.json())["data"]["entity"]

    assert (200, {"inserted": 2, "updated": 0, "unchanged": 0}) == (status, answer["data"])
    assert {
        "id": "b", "type": "ticket", "attributes": {},
        "updated_at": "2026-05-01T10:00:00Z", "as_of": "2027-03-01T12:00:00Z",
    } == entity  # fmt: skip


async def test_a_json_list_is_stored_alike(client: Client) -> None:
    status, answer = await put(client, json.dumps([ticket("a"), ticket("b")]), {"Content-Type": "application/json"})

    assert (200, {"inserted": 2, "updated": 0, "unchanged": 0}) == (status, answer["data"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"\xef\xbb\xbf" + lines(ticket()),
        b"\r\n\n" + lines(ticket())[:-1] + b"\r\n\r\n  \n",
        lines(ticket())[:-1],
    ],
    ids=["nothing", "blank", "byte order mark", "blank lines between", "no newline at the end"],
)
async def test_what_editors_leave_around_lines_does_no_harm(client: Client, body: bytes) -> None:
    status, _ = await put(client, body)

    assert 200 == status
    assert (["1"] if b"{" in body else []) == await stored(client)


BAD = {
    "not an object": (b"[1]", "", "invalid_type"),
    "not JSON": (b'{"id": "1", "attributes": {}', "", "unreadable"),
    "two records": (b'{"id":"1","attributes":{}} {"id":"2","attributes":{}}', "", "unreadable"),
    "not UTF-8": (b'{"id":"\xff","attributes":{}}', "", "unreadable"),
    "NaN": (b'{"id":"1","attributes":{"n":NaN}}', "", "unreadable"),
    "infinity": (b'{"id":"1","attributes":{"n":1e999}}', "", "unreadable"),
    "equal keys": (b'{"id":"1","attributes":{"a":{"n":1,"n":2}}}', "", "duplicate_key"),
    "equal ids": (b'{"id":"1","attributes":{},"id":"2"}', "", "duplicate_key"),
    "equal keys in disguise": (b'{"id":"1","attributes":{"n":"\\u003a","n":":"}}', "", "duplicate_key"),
    "65 bits": (b'{"id":"1","attributes":{"n":18446744073709551616}}', "/attributes/n", "out_of_range"),
    "65 bits below zero": (b'{"id":"1","attributes":{"n":-9223372036854775809}}', "/attributes/n", "out_of_range"),
    "NUL": (b'{"id":"1","attributes":{"a":["\\u0000"]}}', "/attributes/a/0", "invalid_text"),
    "lone surrogate": (b'{"id":"1","attributes":{"a":"\\ud800"}}', "/attributes/a", "invalid_text"),
    "33 levels": (b'{"id":"1","attributes":{"a":' + b"[" * 32 + b"]" * 32 + b"}}", "/attributes", "too_deep"),
    "10,000 levels": (b'{"id":"1","attributes":{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}}", "", "unreadable"),
    "no id": (b'{"attributes":{}}', "/id", "missing"),
    "a number as id": (b'{"id":1,"attributes":{}}', "/id", "invalid_type"),
    "an empty id": (b'{"id":"","attributes":{}}', "/id", "invalid_value"),
    "a long id": (b'{"id":"' + b"x" * 513 + b'","attributes":{}}', "/id", "invalid_value"),
    "a newline in the id": (b'{"id":"a\\nb","attributes":{}}', "/id", "invalid_value"),
    "no attributes": (b'{"id":"1"}', "/attributes", "missing"),
    "a list of attributes": (b'{"id":"1","attributes":[]}', "/attributes", "invalid_type"),
    "an unknown field": (b'{"id":"1","attributes":{},"updatedAt":"x"}', "/updatedAt", "unknown_field"),
    "no offset": (b'{"id":"1","attributes":{},"updated_at":"2026-05-01T12:00:00"}', "/updated_at", "invalid_instant"),
    "a week": (b'{"id":"1","attributes":{},"updated_at":"2024-W18-4T11:12:13Z"}', "/updated_at", "invalid_instant"),
    "before the calendar": (
        b'{"id":"1","attributes":{},"updated_at":"0001-01-01T00:00:00+10:00"}', "/updated_at", "out_of_range",
    ),
    "too early": (b'{"id":"1","attributes":{},"updated_at":"0999-12-31T23:59:59Z"}', "/updated_at", "out_of_range"),
    "too late": (b'{"id":"1","attributes":{},"updated_at":"9001-01-01T00:00:00.0Z"}', "/updated_at", "out_of_range"),
    "seconds since 1970": (b'{"id":"1","attributes":{},"updated_at":1767225600}', "/updated_at", "invalid_instant"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_line_is_named_and_nothing_is_stored(client: Client, name: str) -> None:
    bad, path, code = BAD[name]
    found = await faults(client, lines(ticket("before")) + b"\n" + bad + b"\n" + lines(ticket("after")))

    assert {"/3" + path: code} == found
    assert [] == await stored(client)


@pytest.mark.parametrize("name", ["no id", "an unknown field", "NUL", "65 bits", "33 levels", "not an object"])
async def test_in_a_list_the_index_names_the_entity(client: Client, name: str) -> None:
    bad, path, code = BAD[name]
    body = b"[" + lines(ticket())[:-1] + b"," + bad + b"]"

    assert {"/1" + path: code} == await faults(client, body, {"Content-Type": "application/json"})
    assert [] == await stored(client)


@pytest.mark.parametrize("name", ["not JSON", "NaN", "equal keys", "not UTF-8", "10,000 levels"])
async def test_a_list_that_is_not_json_is_unreadable(client: Client, name: str) -> None:
    status, _ = await put(client, b"[" + BAD[name][0] + b"]", {"Content-Type": "application/json"})

    assert 400 == status


async def test_all_faults_come_at_once_up_to_as_many_as_are_shown(client: Client) -> None:
    good = lines(*[ticket(str(n)) for n in range(3_000)])
    few = await faults(client, b'{"id":1}\n' + good + b"[]\n")
    many = await faults(client, b"[]\n" * (FAULTS_SHOWN + 10))

    assert {"/1/id": "invalid_type", "/1/attributes": "missing", "/3002": "invalid_type"} == few
    assert {f"/{n + 1}": "invalid_type" for n in range(FAULTS_SHOWN)} == many
    assert [] == await stored(client)


async def test_values_that_look_dangerous_but_are_fine_come_back_as_they_were(client: Client) -> None:
    attributes = {
        "escaped": '\\u0000 : \\u003a "n": 1, "n": 2',
        "text": "12345678901234567890123", "float": 1.5e300, "largest": 2**64 - 1, "smallest": -(2**63),
        "deep": json.loads("[" * 31 + "]" * 31), "emoji": "\U0001f600", "": {"a:b": None, "A:b": [True, 1.25]},
    }  # fmt: skip
    await put(client, lines(ticket(**attributes)))
    async with client.get(f"{TICKETS}/1") as answer:
        found = (await answer.json())["data"]["entity"]["attributes"]

    assert attributes == found


async def test_a_line_may_have_256_kib_and_no_more(client: Client) -> None:
    frame = len(lines(ticket(text=""))) - 1
    exact = lines(ticket(text="x" * (LONGEST_LINE - frame)))
    fits, _ = await put(client, lines(ticket("0")) + exact)
    status, answer = await put(client, lines(ticket("0")) + exact.replace(b"x", b"xx", 1))

    assert 200 == fits
    assert (413, "line_too_long") == (status, answer["error"]["code"])
    assert "line 2 " in answer["error"]["message"]


async def test_lines_may_exceed_the_limit_of_bodies_and_lists_may_not(client: Client) -> None:
    records = [ticket(str(n), text="x" * 1_000) for n in range(100)]
    as_lines, _ = await put(client, lines(*records))
    as_list, answer = await put(client, json.dumps(records), {"Content-Type": "application/json"})

    assert 200 == as_lines
    assert (413, "too_large") == (as_list, answer["error"]["code"])


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json"])
async def test_both_may_be_gzipped(client: Client, kind: str) -> None:
    body = lines(ticket("1")) if kind.endswith("x-ndjson") else json.dumps([ticket("1")]).encode()
    status, _ = await put(client, gzip.compress(body), {"Content-Type": kind, "Content-Encoding": "gzip"})

    assert 200 == status
    assert ["1"] == await stored(client)


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        (lambda whole: whole[: len(whole) // 2], 400),
        (lambda whole: whole[:-4], 400),
        (lambda whole: b"not gzip" + whole, 400),
        (lambda whole: whole + whole, 200),  # two members are one file
    ],
    ids=["half", "without its length", "something else", "twice"],
)
async def test_a_damaged_gzip_stores_nothing(client: Client, damage: Callable[[bytes], bytes], status: int) -> None:
    body = damage(gzip.compress(lines(*[ticket(str(n), text=str(n * n)) for n in range(5_000)])))

    assert status == (await put(client, body, NDJSON | {"Content-Encoding": "gzip"}))[0]
    assert (status == 200) == bool(await stored(client))


@pytest.mark.parametrize(
    "filling", [b"\n", b" ", b"x", b" " * 200_000 + b"\n"], ids=["newlines", "spaces", "x", "blanks"]
)
async def test_a_bomb_is_defused(client: Client, filling: bytes) -> None:
    bomb = gzip.compress(filling * (64_000_000 // len(filling)), compresslevel=1)
    status, _ = await put(client, bomb, NDJSON | {"Content-Encoding": "gzip"})

    assert 413 == status


async def test_a_client_that_breaks_off_leaves_nothing_behind(client: Client, pool: Any) -> None:
    async def copying() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%'"
        return int(await pool.fetchval(query + " AND datname = current_database()"))

    async def over() -> bool:
        return not await copying()

    _, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    head = f"PUT {TICKETS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\nContent-Length: 9000000\r\n"
    writer.write(head.encode() + b"Content-Type: application/x-ndjson\r\n\r\n")
    writer.write(lines(*[ticket(str(n)) for n in range(2_000)]))
    await writer.drain()
    await eventually(copying)
    writer.transport.abort()
    await eventually(over)

    assert 0 == await pool.fetchval("SELECT count(*) FROM pg_class WHERE relname = 'entity_upload'")
    assert [] == await stored(client)


async def test_an_id_may_hold_anything_printable(client: Client) -> None:
    id = 'a/b?c#d%2F {x} ü\U0001f600"'
    await put(client, lines(ticket(id, n=1)))
    url = URL(client.server.url + f"{TICKETS}/{quote(id, safe='')}", encoded=True)
    session = client.session
    async with aiohttp.ClientSession(headers=session.headers) as plain:
        async with plain.get(url) as answer:
            found = await answer.json()
        async with plain.delete(url) as answer:
            deleted = answer.status
        async with plain.get(url) as answer:
            gone = answer.status

    assert id == found["data"]["entity"]["id"]
    assert (204, 404) == (deleted, gone)


async def test_a_list_is_walked_by_cursor(client: Client) -> None:
    ids = sorted(["ä" * 500, "\U0001f600" * 512, "a", "b", "c"])
    await put(client, lines(*map(ticket, ids)))
    seen, cursor = [], ""
    while True:
        async with client.get(TICKETS, params={"page_size": "2"} | ({"cursor": cursor} if cursor else {})) as answer:
            page = await answer.json()
        seen += [entity["id"] for entity in page["data"]["entities"]]
        cursor = page["meta"]["pagination"]["next_cursor"]
        if not page["meta"]["pagination"]["has_more"]:
            break

    assert ids == seen
    assert cursor is None


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/public-api/entities/tickett", 404, "not_found"),
        ("/public-api/entities/none", 422, "entity_type_not_enumerable"),
        ("/public-api/entities/none/1", 422, "entity_type_not_enumerable"),
        ("/public-api/entities/project", 409, "entity_type_not_kept_here"),
        (f"{TICKETS}/nobody", 404, "not_found"),
        (f"{TICKETS}?cursor=x", 422, "invalid_cursor"),
        (f"{TICKETS}?page_size=0", 422, "out_of_range"),
    ],
)
async def test_what_is_not_there_is_said_to_be_so(client: Client, path: str, status: int, code: str) -> None:
    async with client.get(path) as answer:
        body = await answer.json()

    assert (status, code) == (answer.status, body["error"]["code"])


async def test_a_misspelt_type_is_answered_with_the_nearest(client: Client) -> None:
    async with client.put("/public-api/entities/tickets", data=b"", headers=NDJSON) as answer:
        body = await answer.json()

    assert "did you mean 'ticket'?" in body["error"]["message"]


async def test_viewers_may_look_but_not_touch(client: Client) -> None:
    viewer = {"Authorization": "Bearer viewer"}
    async with client.put(TICKETS, data=lines(ticket()), headers=NDJSON | viewer) as uploaded:
        pass
    async with client.delete(f"{TICKETS}/1", headers=viewer) as deleted:
        pass
    async with client.get(TICKETS, headers=viewer) as listed:
        pass

    assert [403, 403, 200] == [uploaded.status, deleted.status, listed.status]


@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson; charset=latin-1", None])
async def test_other_kinds_of_bodies_are_refused(client: Client, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    async with client.put(TICKETS, data=b"{}", headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        pass

    assert 415 == answer.status


async def test_replacing_removes_the_others(client: Client) -> None:
    await put(client, lines(ticket("1"), ticket("2")))
    _, answer = await put(client, lines(ticket("2"), ticket("3")), query="?replace=true")

    assert {"inserted": 1, "updated": 0, "unchanged": 1, "removed": 1} == answer["data"]
    assert ["2", "3"] == await stored(client)


async def test_known_fields_come_from_imports_and_from_the_configuration_which_wins(client: Client) -> None:
    types = json.dumps({"n": "integer", "company.name": "string", r"a\.b": "date"})
    await put(client, lines(ticket()), query="?field_types=" + quote(types))
    async with client.get("/public-api/entity-types") as answer:
        found = {one["name"]: one for one in (await answer.json())["data"]["entity_types"]}

    imported = {"n": "integer", "company.name": "string", r"a\.b": "date"}
    assert {
        "name": "ticket", "source": "builtin", "healthy": True, "problem": None, "budget": None, "count": 1,
        "loaded_at": "2027-03-01T12:00:00Z",
        "fields": imported | {"n": "number"}, "fields_configured": {"n": "number"}, "fields_imported": imported,
        "indexes": [],
    } == found["ticket"]  # fmt: skip
    assert (0, None, {}) == (found["company"]["count"], found["company"]["loaded_at"], found["company"]["fields"])
    assert ("sql", None) == (found["project"]["source"], found["project"]["count"])
    assert "none" not in found


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("[]", {"/query/field_types": "invalid_type"}),
        ("{", {"/query/field_types": "invalid_json"}),
        ('{"n":"int"}', {"/query/field_types": "invalid_value"}),
        ('{"a..b":"date"}', {"/query/field_types": "invalid_path"}),
    ],
)
async def test_bad_field_types_are_faults_of_the_query(client: Client, types: str, expected: dict[str, str]) -> None:
    assert expected == await faults(client, b"", query="?field_types=" + quote(types))


async def test_an_upload_is_read_while_it_is_sent(client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(20):
            yield lines(*[ticket(f"{number}-{n}") for n in range(200)])
            await asyncio.sleep(0)

    status, answer = await put(client, body())

    assert (200, 4_000) == (status, answer["data"]["inserted"])


async def test_a_client_that_stalls_is_given_up(entities: Entities, clock: FakeClock, serve: Serve) -> None:
    client = await serve(routes(entities, clock, max_body_bytes=LIMIT, stall_seconds=0.05))
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield lines(ticket("1"))
        await never.wait()

    status, answer = await put(client, body())

    assert (408, "body_too_slow") == (status, answer["error"]["code"])
    assert [] == await stored(client)
