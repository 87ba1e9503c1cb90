"""Any REST API as a source, by configuration alone."""

from typing import Any

import pytest
from tests.fake_psa.generic import GenericApi
from tests.sources.http.conftest import ALL, KEYSET, PAGINGS, SECRET, Making, by, crm
from tests.sources.sql_asking import ids, listed, rule, tree_of

from backfilld.sources.base import EntityQuery, SourceBroken, SourceRefused, SourceUnreachable
from backfilld.sources.http import places

OPEN = rule("status", "=", "open")


@pytest.mark.parametrize("kind", PAGINGS)
async def test_every_record_is_listed_once(api: GenericApi, making: Making, kind: str) -> None:
    assert ALL == await ids(making(crm(api.url) + by(kind))["ticket"])
    assert {f"Bearer {SECRET}"} == {one.headers["Authorization"] for one in api.asked}


@pytest.mark.parametrize("kind", PAGINGS)
async def test_a_listing_goes_on_behind_any_of_its_pages(api: GenericApi, making: Making, kind: str) -> None:
    source = making(crm(api.url) + by(kind))["ticket"]
    first, rest = [], []
    async for page in source.pages(EntityQuery("ticket"), cursor=None, page_size=1):
        first.append(([one.id for one in page.entities], page.cursor))
    for place, (_, cursor) in enumerate(first):
        found = [one.id for one in await listed(source, cursor=cursor)]
        rest.append([id for seen, _ in first[: place + 1] for id in seen] + found)

    assert [ALL] * len(first) == rest
    assert places.written(None, "") == first[-1][1]


async def test_a_list_without_pages_is_the_only_page(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + '[entity_types.ticket.http]\nconnection = "crm"\npath = "/bare"')["ticket"]

    assert ALL == await ids(source)
    assert ["/bare"] == api.paths()


async def test_a_server_that_gives_fewer_than_asked_for_loses_nothing(api: GenericApi, making: Making) -> None:
    api.most = 30

    assert ALL == await ids(making(crm(api.url) + KEYSET)["ticket"])


async def test_what_the_api_filters_itself_is_asked_for(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    tree = tree_of(rule("status", "in", ["closed", "lost"]))

    assert [str(n) for n in range(0, 250, 5)] == await ids(source, tree)
    assert {"closed,lost"} == {one.query["status"] for one in api.asked}
    assert 50 == await source.count(EntityQuery("ticket", tree), within_seconds=5)
    assert "/count" == api.asked[-1].path


@pytest.mark.parametrize(
    ("spec", "pushed"),
    [
        ({"combinator": "or", "rules": [*OPEN["rules"], *rule("name", "=", "x")["rules"]]}, None),
        ({**OPEN, "not": True}, None),
        (rule("status", "!=", "open"), None),
        (rule("status", "=", "open", case_sensitive=False), None),
        (rule("status", "in", ["a,b"]), "a,b"),
        (rule("status", "in", ["a,b", "c"]), None),
        ({"combinator": "and", "rules": [*OPEN["rules"], *rule("name", "=", "x")["rules"]]}, "open"),
        ({"combinator": "and", "rules": [*OPEN["rules"], *rule("status", "=", "x")["rules"]]}, "open"),
    ],
)
async def test_only_what_must_hold_is_asked_for(api: GenericApi, making: Making, spec: Any, pushed: str | None) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    async for _ in source.pages(EntityQuery("ticket", tree_of(spec)), cursor=None, page_size=1):
        break

    assert pushed == api.asked[0].query.get("status")


async def test_a_filter_that_the_api_refuses_is_left_out_once(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(400, {"error": "unknown parameter"})

    assert ALL == await ids(source, tree_of(OPEN))
    assert ["status" in one.query for one in api.asked][:3] == [True, False, False]


async def test_records_are_read_again_with_one_request(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    found = await source.read("ticket", ["3", "7"])

    assert {"3": "record 3", "7": "record 7"} == {id: one.attributes["name"] for id, one in found.items()}
    assert 1 == len(api.asked)


async def test_what_is_missing_is_gone_only_if_it_is_missing_by_itself(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.most = 2  # whatever it is asked for
    found = await source.read("ticket", ["3", "7", "11", "15", "999"])

    assert ["3", "7", "11", "15"] == list(found)
    assert ["3,7,11,15,999", "11,15,999", "999"] == [one.query["ids"] for one in api.asked]


async def test_a_record_is_read_by_its_path_and_gone_with_a_404(api: GenericApi, making: Making) -> None:
    text = '[entity_types.ticket.http]\nconnection = "crm"\npath = "/bare"\nread = { type = "one", path = "/one/{id}" }'
    source = making(crm(api.url) + text)["ticket"]

    assert {"3"} == set(await source.read("ticket", ["3", "999"]))


async def test_children_are_listed_under_each_parent(api: GenericApi, making: Making) -> None:
    api.notes = {0: [{"id": 1}, {"id": 2}], 5: [], 10: [{"id": 1}]}
    text = """
        [entity_types.company]
        source = "http"
        [entity_types.company.http]
        connection = "crm"
        path = "/keyset"
        records = "data"
        paging = { type = "keyset", parameter = "after", size_parameter = "limit", order = { order = "id" } }
        [entity_types.ticket.http]
        connection = "crm"
        path = "/companies/{parent}/notes"
        records = "data"
        parent = { type = "company", where = { status = "closed" } }
    """
    source = making(crm(api.url) + text)["ticket"]
    found = await listed(source)

    assert ["0/1", "0/2", "10/1"] == [one.id for one in found]
    assert [
        "entities of type 'ticket' are listed under each company: at least one request for each"
    ] == await source.remarks()
    assert [0, 0, 10] == [one.attributes["parent_id"] for one in found]
    cursors = [page.cursor async for page in source.pages(EntityQuery("ticket"), cursor=None, page_size=1)]
    assert ["10/1"] == [one.id for one in await listed(source, cursor=cursors[0])]


@pytest.mark.parametrize(
    ("reply", "problem", "words"),
    [
        ({"status": 200, "text": "<html>We will be back soon</html>"}, SourceUnreachable, "not JSON"),
        ({"status": 200, "json": {"error": "x"}}, SourceUnreachable, "without a list of records under 'data'"),
        ({"status": 503, "text": "busy"}, SourceUnreachable, "answers 503: busy"),
        ({"status": 403, "json": {"error": "no"}}, SourceRefused, "answers 403"),
        ({"status": 401, "json": {"error": "no"}}, SourceRefused, "answers 401"),
        ({"status": 402, "json": {"error": "no"}}, SourceRefused, "answers 402"),
        ({"status": 302, "json": {}, "Location": "http://127.0.0.1:1/elsewhere"}, SourceBroken, "never followed"),
        ({"status": 404, "json": {"error": "no"}}, SourceBroken, "answers 404"),
        ({"status": 200, "json": {"data": [{"name": "x"}]}}, SourceBroken, "record 0 of crm: GET /keyset has no id"),
        ({"status": 200, "json": {"data": [{"id": 1}, {"id": 1}]}}, SourceBroken, "the id '1' twice"),
        ({"status": 200, "json": {"data": [{"id": 1.5}]}}, SourceBroken, "has no id"),
        ({"status": 200, "json": {"data": [{"id": True}]}}, SourceBroken, "has no id"),
        ({"status": 200, "json": {"data": [{"id": 9}, {"id": 3}]}}, SourceBroken, "do not ascend"),
        ({"status": 200, "json": {"data": [{"id": "a\n"}]}}, SourceBroken, "control characters"),
    ],
)
async def test_what_an_answer_means(
    api: GenericApi, making: Making, reply: dict[str, Any], problem: type[Exception], words: str
) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(**reply)
    with pytest.raises(problem, match=words) as raised:
        await listed(source)

    assert SECRET not in str(raised.value)


async def test_a_secret_that_is_echoed_is_hidden(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(403, {"error": f"the token {SECRET} is not known", "url": "x?y"})
    with pytest.raises(SourceRefused) as raised:
        await listed(source)

    assert SECRET not in str(raised.value)


async def test_who_was_refused_is_not_asked_again_until_somebody_has_seen_to_it(
    api: GenericApi, making: Making
) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    api.reply(403, {})
    for _ in range(3):
        with pytest.raises(SourceRefused):
            await listed(source)
    asked = len(api.asked)
    source.connection.heal()

    assert 1 == asked
    assert ALL == await ids(source)


async def test_the_same_page_five_times_is_broken_while_others_succeed(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET)["ticket"]
    for n in range(5):
        api.reply(500, {})
        with pytest.raises(SourceUnreachable if n < 4 else SourceBroken):
            await listed(source)
        await source.read("ticket", ["1"])

    assert ALL == await ids(source)


async def test_a_private_address_is_asked_only_where_it_is_allowed(api: GenericApi, making: Making) -> None:
    text = crm(api.url).replace("allow_private_address = true", "")
    with pytest.raises(SourceUnreachable, match="allow_private_address"):
        await listed(making(text + KEYSET)["ticket"])

    assert [] == api.asked


async def test_the_next_page_is_never_of_another_origin(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + by("next"))["ticket"]
    api.reply(200, {"data": [{"id": 1}], "next": "https://attacker.example/records"})
    with pytest.raises(SourceBroken, match="configured origin only"):
        await listed(source)


async def test_a_record_that_goes_while_pages_are_read_costs_no_other(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + by("page"))["ticket"]
    api.on_request = lambda asked: api.records.pop(3, None) if asked.query.get("page") == "2" else None
    found = set(await ids(source))

    assert set(ALL) <= found | {"3"}
    assert "1" == api.asked[3].query["page"]


async def test_filters_that_always_hold_are_added(api: GenericApi, making: Making) -> None:
    text = KEYSET + '\n    where = { name = "record 7" }'
    source = making(crm(api.url) + text)["ticket"]

    assert ["7"] == await ids(source)
    assert {"7"} == set(await source.read("ticket", ["7", "8"]))


async def test_parameters_in_a_body_keep_their_types(api: GenericApi, making: Making) -> None:
    text = KEYSET + '\n    method = "POST"\n    parameters = { deep = true, depth = 3, "name" = "x" }'
    source = making(crm(api.url) + text)["ticket"]
    api.reply(200, {"data": [{"id": 7}]})
    with pytest.raises(SourceBroken):  # it has no such route
        await listed(source, tree_of(OPEN))

    assert {"deep": True, "depth": 3, "name": "x", "status": "open", "limit": 100, "order": "id"} == api.asked[0].json
    assert 7 == api.asked[1].json["after"]


async def test_what_was_known_of_fields_will_do_while_the_api_is_away(api: GenericApi, making: Making) -> None:
    source = making(crm(api.url) + KEYSET + '\n    fields = { status = "string" }')["ticket"]
    api.reply(503, {})
    with pytest.raises(SourceUnreachable):
        await source.connection.look()

    assert {"status": "string"} == await source.known_fields()
