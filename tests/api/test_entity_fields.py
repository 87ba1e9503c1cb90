"""Which fields the records of a type have: what a builder of filters offers."""

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403
from tests.api.conftest import Client
from tests.support.backfill_api import store_entities

from backfilld.domain.filters.field_sample import MOST_DISTINCT, MOST_VALUES, fields_of, kind_of
from backfilld.store.connection.pool import Pool

RECORDS = [
    {"status": "open", "priority": 1, "tags": ["a"], "who": {"name": "x", "a.b": True}, "closed_at": "2027-03-01"},
    {"status": "open", "priority": 2.5, "who": None},
    {"status": "closed", "closed_at": "2027-03-01T12:00:00Z"},
    {"status": 7},
]


async def fields(client: Client, entity_type: str = "ticket", status: int = 200) -> list[dict]:
    answer = await client.get(f"/public-api/entity-types/{entity_type}/fields")
    document = await answer.json()
    assert status == answer.status, document
    return document["data"]["fields"] if status == 200 else []


async def test_fields_are_told_from_a_sample(client: Client, pool: Pool):
    await store_entities(pool, *RECORDS)
    await pool.execute("""UPDATE entity_types SET fields = '{"priority": "integer", "owner": "text"}'""")
    found = {field["name"]: field for field in await fields(client)}

    assert {
        "name": "status", "kinds": ["text", "integer"], "share": 1.0, "configured": None,
        "values": [{"value": value, "label": None} for value in ("open", "closed", 7)],
    } == found["status"]  # fmt: skip
    assert (["integer", "number"], 0.5, "integer") == tuple(
        found["priority"][name] for name in ("kinds", "share", "configured")
    )
    assert (["date"], ["list"], None) == (found["closed_at"]["kinds"], found["tags"]["kinds"], found["tags"]["values"])
    assert {"who.name", r"who.a\.b"} <= found.keys()
    assert ([], 0.0, "text") == tuple(found["owner"][name] for name in ("kinds", "share", "configured"))


async def test_a_type_without_records_has_no_fields(client: Client):
    assert [] == await fields(client)


@pytest.mark.parametrize("entity_type", ["none", "tickets", "x" * 300])
async def test_what_is_no_type_has_none(client: Client, entity_type: str):
    await fields(client, entity_type, status=404)


@pytest.mark.parametrize(("distinct", "shown"), [(MOST_DISTINCT, MOST_VALUES), (MOST_DISTINCT + 1, 0)])
def test_values_are_offered_where_there_are_few(distinct: int, shown: int):
    (found,) = fields_of([{"x": number} for number in range(distinct)])

    assert shown == len(found.values)


def test_true_is_not_one():
    (found,) = fields_of([{"x": 1}, {"x": True}])

    assert ((1, True), ("integer", "boolean")) == (found.values, found.kinds)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "boolean"), (1, "integer"), (1.0, "number"), ("a", "text"), ("2027-03-01", "date"), ("2027-13-01", "text"),
     ("2027-03-01T12:00:00+01:00", "date"), ([], "list"), ({}, "object"), ("", "text")],
)  # fmt: skip
def test_values_have_kinds(value: object, kind: str):
    assert kind == kind_of(value)
