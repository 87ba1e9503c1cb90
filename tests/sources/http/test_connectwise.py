"""ConnectWise PSA by its preset."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.fake_psa.connectwise import CLIENT, COMPANY, PRIVATE, PUBLIC, ConnectWise, tickets
from tests.fake_psa.serving import serving
from tests.sources.http.conftest import Making
from tests.sources.sql_asking import ids, listed, rule, tree_of
from tests.support.clock import FakeClock

from backfilld.domain.filters import read_filter, resolve
from backfilld.sources.base import (
    EntityQuery,
    SourceBroken,
    SourceBusy,
    SourceRefused,
    SourceUnreachable,
    TypeNotOffered,
)
from backfilld.sources.http.answers import Answer
from backfilld.sources.http.dialects.codebase import CodebaseBase
from backfilld.sources.http.dialects.connectwise import ConnectWiseDialect
from backfilld.sources.http.places import Place
from backfilld.sources.http.shape import Paging, Resource

CASES = Path(__file__).parents[2] / "cases" / "http_sources"
FILTERS = json.loads((CASES / "connectwise_filters.json").read_text())
KNOWN = FILTERS["about"]["known_fields"]
TICKETS = Resource("ticket", "/service/tickets", Paging("keyset", "pageId", "pageSize", 1000), can_search=True)


@pytest.mark.parametrize("case", FILTERS["cases"], ids=lambda case: case["name"])
def test_a_filter_is_asked_for_as_the_cases_say(case: dict[str, Any]) -> None:
    read = read_filter(case["filter_spec"], "")
    assert read.tree is not None
    now, zone = datetime.fromisoformat(FILTERS["about"]["now"]), ZoneInfo("UTC")
    tree = resolve(read.tree, now=now.astimezone(UTC), zone=zone, known_fields=KNOWN).tree
    dialect = ConnectWiseDialect()
    pushed = dialect.push(TICKETS, tree, KNOWN)

    assert case["first_page"] == dialect.page(TICKETS, pushed, Place(), 1000).query
    assert case["page_behind_4711"] == dialect.page(TICKETS, pushed, Place(4711), 1000).query
    assert case["exact"] == pushed.exact


@pytest.fixture
async def api() -> AsyncIterator[ConnectWise]:
    made = ConnectWise(
        service__tickets=tickets(2500), time__workRoles=[{"id": n} for n in range(1, 1102)],
        service__tickets__7__notes=[{"id": 31, "ticketId": 7, "text": "Called back"}],
        service__tickets__9__notes=[{"id": 4}], finance__agreements=[{"id": 1}],
    )  # fmt: skip
    async with serving(made) as fake:
        yield fake


def psa(url: str, *types: str) -> str:
    known = "".join(f'[entity_types.{one}]\nsource = "http"\nhttp = {{ connection = "cw" }}\n' for one in types)
    return f"""
        [connections.cw]
        preset = "connectwise"
        url = "{url}"
        company = "{COMPANY}"
        public_key = "{PUBLIC}"
        private_key = {{ secret = "connectwise" }}
        client_id = "{CLIENT}"
        allow_private_address = true
        {known}
    """


def made_of(making: Making, text: str, secret: str = PRIVATE) -> Any:
    return making(text, connectwise=secret)


async def test_every_ticket_is_listed_forward_only(api: ConnectWise, making: Making) -> None:
    found = await listed(made_of(making, psa(api.url, "ticket"))["ticket"])

    assert [str(n) for n in range(1, 2501)] == [one.id for one in found]
    assert {"Region": "North"} == found[0].attributes["custom"]
    assert {"lastUpdated": "2027-02-28T09:00:00Z"} == found[0].attributes["_info"]
    assert {"id": 1} == found[1].attributes["company"]
    assert datetime(2027, 2, 28, 9, tzinfo=UTC) == found[0].updated_at
    assert 3 == len(api.asked)


async def test_a_route_without_a_link_is_listed_by_conditions(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "role"))["role"]

    assert [str(n) for n in range(1, 1102)] == await ids(source)
    assert "id > 1000" == api.asked[1].query["conditions"]
    assert "pagination-type" not in api.asked[1].headers


async def test_notes_are_listed_under_each_ticket(api: ConnectWise, making: Making) -> None:
    api.records["/service/tickets"] = [one for one in api.records["/service/tickets"] if one["id"] in (7, 8, 9)]
    found = await listed(made_of(making, psa(api.url, "note"))["note"])

    assert ["7/31", "9/4"] == [one.id for one in found]
    assert [7, 9] == [one.attributes["parent_id"] for one in found]


async def test_a_count_and_a_read_are_one_request_each(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]

    assert 1250 == await source.count(EntityQuery("ticket", tree_of({"status.id": 16})), within_seconds=5)
    assert {"1", "2"} == set(await source.read("ticket", ["1", "2", "99999", "x"]))
    assert ["status/id = 16", "id in (1,2,99999)"] == [one.query["conditions"] for one in api.asked]


async def test_many_long_ids_are_read_with_addresses_that_are_not_too_long(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    wanted = [str(10**14 + n) for n in range(200)]
    found = await source.read("ticket", ["1", *wanted])

    assert ["1"] == list(found)
    assert 3 == len(api.asked)
    assert 201 == sum(one.query["conditions"].count(",") + 1 for one in api.asked)


async def test_long_conditions_go_into_a_body(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    wanted = list(range(1_000_000, 1_000_400))
    found = await ids(source, tree_of({"company.id": [1, *wanted]}, **{"company.id": "integer"}))

    assert found
    assert {"/v4_6_release/apis/3.0/service/tickets/search"} == set(api.paths())


async def test_where_there_is_no_search_the_longest_rules_are_left_out(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "contract"))["contract"]
    many = {"field": "company.id", "operator": "in", "value": list(range(1_000_000, 1_000_400))}
    spec = {"combinator": "and", "rules": [many, {"field": "type.id", "operator": "null"}]}
    await ids(source, tree_of(spec, **{"company.id": "integer", "type.id": "integer"}))

    assert "type/id = null" == api.asked[0].query["conditions"]


@pytest.mark.parametrize(
    ("reply", "problem", "words"),
    [
        ({"status": 401, "json": {"message": "Cannot route."}}, SourceRefused, "Cannot route"),
        ({"status": 403, "json": {"code": "SecurityPermissions"}}, SourceRefused, "SecurityPermissions"),
        ({"status": 404, "text": "Not Found"}, SourceBroken, "404"),
        ({"status": 429, "json": {"message": "Too many"}, "Retry-After": "17"}, SourceBusy, "Too many"),
        ({"status": 400, "json": {"message": "conditions is invalid"}}, SourceBroken, "conditions is invalid"),
        ({"status": 500, "json": {"message": "Something"}}, SourceUnreachable, "Something"),
    ],
)
async def test_what_an_answer_means(
    api: ConnectWise, making: Making, reply: dict[str, Any], problem: type[Exception], words: str
) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    api.reply(**reply)
    with pytest.raises(problem, match=words) as raised:
        await listed(source)

    assert PRIVATE not in str(raised.value)


async def test_children_of_a_server_that_moved_are_not_taken_for_none(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket", "note"))["note"]
    api.replies.append(None)  # the tickets are listed
    api.reply(404, text="<html>Not Found</html>")
    with pytest.raises(SourceBroken, match="answers 404: Not Found"):
        await listed(source)


async def test_where_the_server_gives_up_a_smaller_page_is_asked_for(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    api.reply(500, {"code": "ConnectWiseApi", "message": "Execution Timeout Expired."})

    assert 2500 == len(await listed(source))
    assert ["1000", "500"] == [one.query["pageSize"] for one in api.asked[:2]]


async def test_what_has_no_id_over_there_is_not_offered(api: ConnectWise, making: Making) -> None:
    with pytest.raises(TypeNotOffered, match="ConnectWise PSA has no entities of type 'audit_trail'"):
        await made_of(making, psa(api.url, "audit_trail"))["audit_trail"].known_fields()


async def test_no_value_becomes_syntax(api: ConnectWise, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await ids(source, tree_of(rule("summary", "=", 'x" or id>0 or summary="')))

    assert "conditions" not in api.asked[0].query


async def test_the_codebase_is_asked_for_without_credentials(clock: FakeClock) -> None:
    asked: list[str] = []

    class Told:
        async def ask_beside(self, endpoint: str, method: str, url: str) -> Answer:
            asked.append(url)
            return Answer(200, b'{"Codebase": "v2027_1/"}')

    cloud = CodebaseBase("https://api-eu.myconnectwise.net", "example", Told(), clock)  # type: ignore[arg-type]
    own = CodebaseBase("https://cw.example.com", "example", Told(), clock)  # type: ignore[arg-type]

    assert "https://api-eu.myconnectwise.net/v2027_1/apis/3.0" == await cloud.find()
    assert "https://cw.example.com/v4_6_release/apis/3.0" == await own.find()
    assert ["https://api-eu.myconnectwise.net/login/companyinfo/example"] == asked
