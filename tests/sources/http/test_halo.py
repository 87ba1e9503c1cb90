"""HaloPSA by its preset."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fake_psa.halo import CLIENT, SECRET, TENANT, Halo, tickets
from tests.fake_psa.serving import serving
from tests.sources.http.conftest import Making
from tests.sources.sql_asking import ids, listed, tree_of
from tests.support.clock import FakeClock

from backfilld.app.sources.resources import Resources
from backfilld.config.model import Settings
from backfilld.sources.base import EntityQuery, SourceBroken, SourceBusy, SourceRefused, TypeNotOffered
from backfilld.sources.http.dialects.halo import HaloDialect

CASES = Path(__file__).parents[2] / "cases" / "http_sources"
FILTERS = json.loads((CASES / "halo_filters.json").read_text())
KNOWN = FILTERS["about"]["known_fields"]


def psa(url: str, *types: str) -> str:
    known = "".join(f'[entity_types.{one}]\nsource = "http"\nhttp = {{ connection = "halo" }}\n' for one in types)
    return f"""
        [connections.halo]
        preset = "halo"
        url = "{url}"
        tenant = "{TENANT}"
        client_id = "{CLIENT}"
        client_secret = {{ secret = "halo" }}
        allow_private_address = true
        {known}
    """


@pytest.mark.parametrize("case", FILTERS["cases"], ids=lambda case: case["name"])
def test_a_filter_is_asked_for_as_the_cases_say(case: dict[str, Any], clock: FakeClock) -> None:
    settings = Settings.model_validate(tomllib.loads(psa("http://127.0.0.1", "ticket")), context={"base": Path()})
    resource = Resources(dict(settings.entity_types), settings.connections, clock).find("ticket")
    assert resource is not None
    dialect = HaloDialect()
    pushed = dialect.push(resource, tree_of(case["filter_spec"], **KNOWN), KNOWN)

    assert case["first_page"] == dialect.page(resource, pushed, dialect.first(resource), 100).query
    assert case["exact"] == pushed.exact


@pytest.fixture
async def api() -> AsyncIterator[Halo]:
    async with serving(Halo(tickets(250))) as fake:
        yield fake


def made_of(making: Making, text: str, secret: str = SECRET) -> Any:
    return making(text, halo=secret)


async def test_every_ticket_is_listed_in_numbered_pages(api: Halo, making: Making) -> None:
    found = await listed(made_of(making, psa(api.url, "ticket"))["ticket"])

    assert [str(n) for n in range(1, 251)] == [one.id for one in found]
    assert {"CFregion": "North"} == found[0].attributes["custom"]
    assert 3 == sum(path == "/api/tickets" for path in api.paths())


async def test_a_ticket_that_goes_while_pages_are_read_costs_no_other(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    api.on_request = lambda asked: api.records.pop(3, None) if asked.query.get("page_no") == "2" else None
    found = await ids(source)

    assert {str(n) for n in range(1, 251)} == set(found)


async def test_five_that_go_and_five_that_come_are_noticed(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]

    def change(asked: Any) -> None:
        if asked.query.get("page_no") == "2" and 1 in api.records:
            for n in range(1, 6):
                del api.records[n]
        if asked.query.get("page_no") == "3" and 300 not in api.records:
            api.records |= {one["id"]: one for one in tickets(304)[299:]}

    api.on_request = change

    assert {str(n) for n in [*range(6, 251), *range(300, 305)]} <= set(await ids(source))


async def test_a_count_is_what_a_page_of_one_tells(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]

    assert 250 == await source.count(EntityQuery("ticket"), within_seconds=5)
    assert "1" == api.asked[-1].query["page_size"]


async def test_a_ticket_is_read_with_its_details(api: Halo, making: Making) -> None:
    found = await made_of(making, psa(api.url, "ticket"))["ticket"].read("ticket", ["5", "999"])

    assert {"5": "Long text that lists leave out"} == {id: one.attributes["details"] for id, one in found.items()}


async def test_a_bare_list_is_the_only_page(api: Halo, making: Making) -> None:
    assert ["1", "2"] == await ids(made_of(making, psa(api.url, "team"))["team"])


async def test_a_page_that_is_not_all_of_them_is_never_taken_for_all(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket", "note"))["note"]
    api.replies.append(None)  # a page of tickets
    api.reply(200, {"record_count": 3, "actions": [{"id": 1}]})
    with pytest.raises(SourceBroken, match="gives 1 of 3 records: it has pages"):
        await listed(source)


@pytest.mark.parametrize("entity_type", ["appointment", "time_entry", "task"])
async def test_what_cannot_be_listed_whole_is_not_offered(api: Halo, making: Making, entity_type: str) -> None:
    with pytest.raises(TypeNotOffered, match=r"HaloPSA has no entities of type .*it has .*ticket"):
        await made_of(making, psa(api.url, entity_type))[entity_type].known_fields()


async def test_a_type_that_is_not_offered_may_be_described_in_the_file(api: Halo, making: Making) -> None:
    text = psa(api.url, "task").replace(
        'http = { connection = "halo" }', 'http = { connection = "halo", path = "/tickets", records = "tickets" }'
    )

    assert 250 == len(await listed(made_of(making, text)["task"]))


async def test_notes_are_listed_under_each_ticket(api: Halo, making: Making) -> None:
    api.records = {n: api.records[n] for n in (1, 2)}
    api.actions = {1: [{"id": 1}, {"id": 2}]}

    assert ["1/1", "1/2"] == await ids(made_of(making, psa(api.url, "note"))["note"])


async def test_a_token_that_ended_is_replaced_once(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await ids(source)
    api.token = "another"

    assert 250 == len(await ids(source))
    assert 2 == api.tokens


async def test_a_wrong_secret_is_refused(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"), "wrong-secret-0123456789")["ticket"]
    with pytest.raises(SourceRefused, match="invalid_client"):
        await ids(source)


async def test_without_saying_how_long_it_is_waited_ever_longer(api: Halo, making: Making, clock: FakeClock) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    pauses = []
    for _ in range(3):
        api.reply(429, text="Rate Limit Reached - 300 Requests per rolling 5 minute window")
        with pytest.raises(SourceBusy) as raised:
            await ids(source)
        pauses.append((raised.value.until - clock.now()).total_seconds())
        await clock.advance(pauses[-1])

    assert [30, 60, 120] == pauses


async def test_a_token_is_asked_for_with_a_form(api: Halo, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await asyncio.gather(*(listed(source) for _ in range(3)))
    [token] = [one for one in api.asked if one.path == "/auth/token"]  # one request for all that wait

    assert ({"tenant": TENANT}, None) == (token.query, token.headers.get("Authorization"))
    assert "application/x-www-form-urlencoded" == token.headers["Content-Type"]
    assert {f"Bearer {api.token}"} == {one.headers["Authorization"] for one in api.asked if one is not token}
