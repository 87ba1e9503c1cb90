"""Autotask by its preset."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.fake_psa.autotask import CODE, SECRET, USER, Autotask, tickets
from tests.fake_psa.serving import serving
from tests.sources.http.conftest import Making
from tests.sources.sql_asking import ids, listed, rule, tree_of
from tests.support.clock import FakeClock
from tests.support.waiting import eventually

from backfilld.domain.filters import read_filter, resolve
from backfilld.sources.base import (
    EntityQuery,
    SourceBroken,
    SourceBusy,
    SourceRefused,
    SourceUnreachable,
    TypeNotOffered,
)
from backfilld.sources.http.dialects.autotask import AutotaskDialect
from backfilld.sources.http.places import Place
from backfilld.sources.http.shape import Paging, Resource

CASES = Path(__file__).parents[2] / "cases" / "http_sources"
FILTERS = json.loads((CASES / "autotask_filters.json").read_text())
KNOWN = FILTERS["about"]["known_fields"]
TICKETS = Resource("ticket", "/Tickets", Paging("keyset", "id", size=500, size_is_kept=True), entity="Tickets")


@pytest.mark.parametrize("case", FILTERS["cases"], ids=lambda case: case["name"])
def test_a_filter_is_asked_for_as_the_cases_say(case: dict[str, Any]) -> None:
    read = read_filter(case["filter_spec"], "")
    assert read.tree is not None
    now, zone = datetime.fromisoformat(FILTERS["about"]["now"]), ZoneInfo("UTC")
    tree = resolve(read.tree, now=now.astimezone(UTC), zone=zone, known_fields=KNOWN).tree
    dialect = AutotaskDialect()
    pushed = dialect.push(TICKETS, tree, KNOWN)

    assert case["first_page"] == dialect.page(TICKETS, pushed, Place(), 500).json
    assert case["exact"] == pushed.exact
    if "page_behind_4711" in case:
        assert case["page_behind_4711"] == dialect.page(TICKETS, pushed, Place(4711), 500).json


@pytest.fixture
async def api() -> AsyncIterator[Autotask]:
    notes = [{"id": n, "ticketID": n // 2, "noteType": n % 3, "title": f"note {n}"} for n in range(10)]
    history = [{"id": 70_000 + n, "ticketID": n % 4, "action": "Edit"} for n in range(6)]
    made = Autotask(
        Tickets=tickets(1200), Companies=[{"id": 0, "companyName": "Own"}, {"id": 174}], TicketNotes=notes,
        CompanyNotes=[{"id": 3, "noteType": 1}], TimeEntries=[{"id": 8}], TicketHistory=history,
    )  # fmt: skip
    async with serving(made) as fake:
        yield fake


def psa(url: str, *types: str, more: str = "") -> str:
    known = "".join(
        f'[entity_types.{name}]\nsource = "http"\n[entity_types.{name}.http]\nconnection = "psa"\n{more}\n'
        for name in types
    )
    return f"""
        [connections.psa]
        preset = "autotask"
        url = "{url}"
        username = "{USER}"
        integration_code = {{ secret = "code" }}
        secret = {{ secret = "autotask" }}
        allow_private_address = true
        {known}
    """


def made_of(making: Making, text: str, secret: str = SECRET) -> Any:
    return making(text, code=CODE, autotask=secret)


async def test_every_ticket_is_listed_in_pages_of_500(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    found = await listed(source)

    assert [str(id) for id in sorted(api.entities["Tickets"])] == [one.id for one in found]
    assert {"Region": "North", "Seats": None} == found[0].attributes["udf"]
    assert "userDefinedFields" not in found[0].attributes
    assert datetime(2027, 2, 28, 9, tzinfo=UTC) == found[0].updated_at
    assert 3 == sum(path.endswith("/Tickets/query") for path in api.paths())


@pytest.mark.parametrize(
    ("entity_type", "expected"),
    [
        ("company", ["0", "174"]),
        ("note", [str(n) for n in range(10)]),
        ("time_entry", ["8"]),
        ("audit_trail", ["0/70000", "0/70004", "1/70001", "1/70005", "2/70002", "3/70003"]),
    ],
)
async def test_other_types_are_listed(api: Autotask, making: Making, entity_type: str, expected: list[str]) -> None:
    api.entities["Tickets"] = {id: api.entities["Tickets"][id] for id in range(4)}

    assert expected == await ids(made_of(making, psa(api.url, entity_type))[entity_type])


async def test_another_entity_with_a_filter_of_its_own(api: Autotask, making: Making) -> None:
    text = psa(api.url, "note", more='entity = "CompanyNotes"\nwhere = { noteType = 1 }')

    assert ["3"] == await ids(made_of(making, text)["note"])
    assert {"op": "eq", "field": "noteType", "value": 1} == api.asked[-1].json["filter"][0]


async def test_fields_come_from_the_api_and_are_asked_for_once_a_day(
    api: Autotask, making: Making, clock: FakeClock
) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    fields = await source.known_fields()
    await source.known_fields()
    asked = sum("entityInformation" in path for path in api.paths())
    await clock.advance(86_500)
    await source.known_fields()

    assert ("integer", "date", "string") == (fields["status"], fields["createDate"], fields["udf.Region"])
    assert (2, 4) == (asked, sum("entityInformation" in path for path in api.paths()))


async def test_a_field_that_cannot_be_asked_for_is_tested_here(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await ids(source, tree_of(rule("creatorType", "=", 1)))

    first = next(one for one in api.asked if one.path.endswith("/query"))
    assert [{"op": "exist", "field": "id"}] == first.json["filter"]


async def test_an_exact_filter_is_counted_with_one_request(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()
    found = await source.count(EntityQuery("ticket", tree_of({"status": 5})), within_seconds=5)

    assert 240 == found
    assert ["count"] == [path.rpartition("/")[2] for path in api.paths() if "query" in path]


async def test_records_are_read_again_by_the_hundred_and_a_missing_one_is_gone(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    wanted = [str(id) for id in list(api.entities["Tickets"])[:600]]
    found = await source.read("ticket", [*wanted, "999999", "007", "x", "1.0", "٣"])

    assert wanted == [id for id in wanted if id in found]
    assert 600 == len(found)
    assert [201, 400] == sorted(len(one.json["filter"][0]["value"]) for one in api.asked if one.path.endswith("/query"))


async def test_a_type_that_autotask_does_not_have_names_those_that_it_has(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "none"))["none"]
    with pytest.raises(TypeNotOffered, match="Autotask has no entities of type 'none'") as raised:
        await source.known_fields()

    assert "ticket" in raised.value.offered


@pytest.mark.parametrize(
    ("status", "message", "problem"),
    [
        (
            500,
            "The logged in Resource does not have the adequate permissions to query this entity type.",
            SourceRefused,
        ),
        (
            429,
            "Thread Threshold Exceeded: The Autotask API thread threshold of 3 threads has been exceeded.",
            SourceBusy,
        ),
        (
            500,
            "Thread Threshold Exceeded: The Autotask API thread threshold of 3 threads has been exceeded.",
            SourceBusy,
        ),
        (429, "The request threshold has been exceeded.", SourceBusy),
        (500, "An error occurred.", SourceUnreachable),
        (500, "Unable to find colour in the Ticket Entity.", SourceBroken),
    ],
)
async def test_what_an_error_of_autotask_means(
    api: Autotask, making: Making, status: int, message: str, problem: type[Exception]
) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()
    api.reply(status, {"errors": [message]})
    with pytest.raises(problem) as raised:
        await listed(source)

    assert type(raised.value) in (problem, *problem.__subclasses__(), *SourceBroken.__subclasses__())
    assert SECRET not in str(raised.value)


async def test_the_hour_of_theirs_holds_the_whole_connection(api: Autotask, making: Making, clock: FakeClock) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()
    await eventually(lambda: any("ThresholdInformation" in path for path in api.paths()))  # asked beside the first
    api.reply(429, {"errors": ["The request threshold has been exceeded."]}, Retry_After="600")
    with pytest.raises(SourceBusy) as raised:
        await listed(source)
    asked = len(api.asked)
    with pytest.raises(SourceBusy):
        await source.read("ticket", ["1"])

    assert 600 == (raised.value.until - clock.now()).total_seconds()
    assert asked == len(api.asked)


async def test_too_many_at_once_slows_that_endpoint_alone(api: Autotask, making: Making, clock: FakeClock) -> None:
    made = made_of(making, psa(api.url, "ticket", "company"))
    await made["ticket"].known_fields()
    api.reply(500, {"errors": ["Thread Threshold Exceeded: … has been exceeded."]})
    with pytest.raises(SourceBusy):
        await listed(made["ticket"])
    with pytest.raises(SourceBusy) as raised:
        await listed(made["ticket"])

    assert ["0", "174"] == await ids(made["company"])
    assert 5 == (raised.value.until - clock.now()).total_seconds()


async def test_a_wrong_secret_is_refused_after_the_zone_was_asked_again(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"), secret="wrong-secret-0123456789")["ticket"]
    with pytest.raises(SourceRefused, match="401") as raised:
        await listed(source)

    assert 2 == sum(path.endswith("/zoneInformation") for path in api.paths())
    assert "wrong-secret" not in str(raised.value)


async def test_a_zone_that_moved_is_found(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()
    api.reply(401, None)

    assert 1200 == len(await listed(source))


async def test_a_user_without_a_zone_is_refused(api: Autotask, making: Making) -> None:
    text = psa(api.url, "ticket").replace(USER, "nobody@example.com")
    with pytest.raises(SourceRefused, match="Could not find a zone"):
        await listed(made_of(making, text)["ticket"])


@pytest.mark.parametrize(
    "zone",
    [
        "https://attacker.example/atservicesrest/",
        "https://x.autotask.net.attacker.example/",
        "http://webservices5.autotask.net/atservicesrest/",
        "https://me@webservices5.autotask.net/",
    ],
)
async def test_a_zone_elsewhere_gets_no_credentials(api: Autotask, making: Making, zone: str) -> None:
    api.zone = zone
    with pytest.raises(SourceBroken, match="credentials go to"):
        await listed(made_of(making, psa(api.url, "ticket"))["ticket"])

    assert ["/atservicesrest/v1.0/zoneInformation"] == api.paths()


async def test_planning_pauses_while_others_use_it_a_lot(api: Autotask, making: Making, clock: FakeClock) -> None:
    made = made_of(making, psa(api.url, "ticket"))
    source = made["ticket"]
    api.used_by_others = 6_000
    await source.known_fields()
    await source.connection._asking_vendor
    with pytest.raises(SourceBusy, match="60% of the requests"):
        await listed(source)

    assert {"1"} == set(await source.read("ticket", ["1"]))
    api.used_by_others = 0
    await clock.advance(96)
    assert 1200 == len(await listed(source))


async def test_an_endpoint_is_never_asked_more_than_twice_at_once(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()
    await asyncio.gather(*(listed(source) for _ in range(6)), *(source.read("ticket", [str(n)]) for n in range(6)))

    assert 2 >= api.most_at_once["Tickets"]


async def test_children_say_beforehand_what_they_cost(api: Autotask, making: Making) -> None:
    [remark] = await made_of(making, psa(api.url, "audit_trail"))["audit_trail"].remarks()

    assert remark.endswith("at least one request for each, about 1,200 requests, 0.2 h within its budget")


async def test_pick_lists_are_known_with_their_labels(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()

    assert {"status": (("1", "New"), ("5", "Complete"))} == source.labels()


async def test_the_zone_is_asked_for_without_credentials(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket"))["ticket"]
    await source.known_fields()
    [zone] = [one for one in api.asked if one.path.endswith("/zoneInformation")]

    assert {"user": USER} == zone.query
    assert not {"ApiIntegrationCode", "Secret", "UserName", "Authorization"} & zone.headers.keys()


async def test_the_history_of_tickets_is_asked_for_by_ticket_alone(api: Autotask, making: Making) -> None:
    source = made_of(making, psa(api.url, "ticket", "audit_trail"))["audit_trail"]
    api.entities["TicketHistory"] = {}
    api.entities["Tickets"] = {id: one for id, one in api.entities["Tickets"].items() if id < 3}
    await listed(
        source, tree_of({"combinator": "and", "rules": [{"field": "action", "operator": "=", "value": "Edit"}]})
    )
    asked = [one.json["filter"] for one in api.asked if "/TicketHistory/query" in one.path]

    assert [[{"op": "eq", "field": "ticketID", "value": id}] for id in (0, 1, 2)] == asked
