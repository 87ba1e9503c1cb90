"""What of a valid filter, or of a list of ids, may not be meant is said in verify, preview and create."""

from typing import Any

import pytest
from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfill_api import body, store_entities
from tests.support.backfills import Workflow, make_workflow

from backfilld.operations.hints import field_hints
from backfilld.store.connection.pool import Pool

PATH = "/public-api/backfills"
WAYS = pytest.mark.parametrize("way", ["/verify", "/preview", ""])


async def ask(client: Client, way: str, workflow: Workflow, **document: Any) -> tuple[dict[str, Any], list[str]]:
    sent = {"entity_type": "ticket", **document} if way == "/verify" else body(workflow.workflow_id, **document)
    async with client.post(PATH + way, json=sent) as answer:
        got = await answer.json()
    assert answer.status in (200, 201), got
    return got["data"], got["meta"]["warnings"]


def rule(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"combinator": "and", "rules": [{"field": field, "operator": operator, **given}]}


CLOSED = [{"status": "closed", "company": {"name": "a"}, "note": None}] * 5


ABSENT = [
    (rule("statsu", "!=", "closed"), "`!=` is true of all of them; did you mean 'status'?"),
    (rule("statsu", "null"), "`null` is true of all of them; did you mean 'status'?"),
    (rule("statsu", "notIn", ["a"]), "`notIn` is true of all of them; did you mean 'status'?"),
    (rule("statsu", "isEmpty"), "`isEmpty` is true of all of them; did you mean 'status'?"),
    (rule("statsu", "doesNotContain", "x"), "`doesNotContain` is true of all of them; did you mean 'status'?"),
    (rule("company.nmae", "!=", "b"), "`!=` is true of all of them; did you mean 'company.name'?"),
    (rule("zzz", "!=", "b"), "field `zzz` is in none of the records (5), so `!=` is true of all of them"),
    ({"statsu": "closed"}, "`=` is true of none of them; did you mean 'status'?"),
    (rule("statsu", "notNull"), "`notNull` is true of none of them; did you mean 'status'?"),
]


@WAYS
async def test_a_field_that_is_not_there_is_told_whatever_the_rule_says_of_it(
    client: Client, pool: Pool, way: str
) -> None:
    await store_entities(pool, *CLOSED)
    for spec, said in ABSENT:
        data, warnings = await ask(client, way, await make_workflow(pool), filter_spec=spec)

        assert any(warning.endswith(said) for warning in warnings), (spec, warnings)
        if way == "/verify":
            assert "WARNING" == data["level"], spec
            assert said in data["message"]
            assert 1 == data["message"].count("is in none of the records")


@WAYS
async def test_fields_that_are_there_pass_without_a_word(client: Client, pool: Pool, way: str) -> None:
    await store_entities(pool, *CLOSED)
    for spec in (rule("status", "!=", "x"), rule("note", "null"), rule("company", "notNull"), {}):
        _, warnings = await ask(client, way, await make_workflow(pool), filter_spec=spec)

        assert [] == [warning for warning in warnings if "field `" in warning], spec


@WAYS
async def test_records_of_another_type_are_counted_though_others_match(
    client: Client, pool: Pool, workflow: Workflow, way: str
) -> None:
    await store_entities(pool, {"p": 5}, {"p": 5}, {"p": "5"}, {"p": "5"}, {"p": "5"}, {"p": None})
    data, warnings = await ask(client, way, workflow, filter_spec=rule("p", "<=", 9))
    _, negative = await ask(client, "/verify", workflow, filter_spec=rule("p", "!=", 9))
    said = 'field `p` is text in 3 records (example "5"); the rule compares a number, so '

    assert said + "they do not match it" in warnings
    assert said + "they all match it" in negative
    if way == "/verify":
        assert (2, "WARNING") == (data["matching_entities"], data["level"])


MIDNIGHTS = [
    (rule("at", "=", "2025-06-03"), '`at` >= "2025-06-03" and `at` < "2025-06-04"'),
    (rule("at", "!=", "2025-06-03"), '`at` >= "2025-06-03" and `at` < "2025-06-04"'),
    (rule("at", "in", ["2025-06-03"]), '`at` >= "2025-06-03" and `at` < "2025-06-04"'),
    (rule("at", "between", ["2025-06-03", "2025-06-03"]), '`at` < "2025-06-04"'),
    (rule("at", "notBetween", ["2025-06-01", "2025-06-03"]), '`at` < "2025-06-04"'),
    (rule("at", "<=", "2025-06-03"), '`at` < "2025-06-04"'),
    (rule("at", ">", "2025-06-03"), '`at` >= "2025-06-04"'),
]


@WAYS
async def test_a_date_alone_is_told_to_be_its_midnight_where_that_bites(client: Client, pool: Pool, way: str) -> None:
    await store_entities(pool, {"at": "2025-06-03T10:00:00Z"})
    for spec, advice in MIDNIGHTS:
        _, warnings = await ask(client, way, await make_workflow(pool), filter_spec=spec)

        (warning,) = [one for one in warnings if "midnight" in one]
        assert warning.endswith(advice), spec


@pytest.mark.parametrize(
    ("spec", "at"),
    [
        (rule("at", ">=", "2025-06-03"), "2025-06-03T10:00:00Z"),
        (rule("at", "<", "2025-06-03"), "2025-06-03T10:00:00Z"),
        (rule("at", "<=", "2025-06-03"), "2025-06-03"),
        (rule("at", "<=", "2025-06-03T00:00:00Z"), "2025-06-03T10:00:00Z"),
        (rule("at", "<=", "now/d"), "2025-06-03T10:00:00Z"),
    ],
)
async def test_dates_that_mean_what_they_say_pass_without_a_word(
    client: Client, pool: Pool, workflow: Workflow, spec: Any, at: str
) -> None:
    await store_entities(pool, {"at": at})
    _, warnings = await ask(client, "/preview", workflow, filter_spec=spec)

    assert [] == [one for one in warnings if "midnight" in one]


async def test_a_field_that_only_later_records_have_is_looked_for(
    client: Client, pool: Pool, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_hints, "LOOKED_AT", 3)
    monkeypatch.setattr(field_hints, "_AT_ONCE", 3)
    await store_entities(pool, *CLOSED, {"rare": 1})
    _, there = await ask(client, "/verify", workflow, filter_spec=rule("rare", "!=", 2))
    _, nowhere = await ask(client, "/verify", workflow, filter_spec=rule("rarer", "!=", 2))

    assert [] == there
    assert ["field `rarer` is in none of the first 3 records, so `!=` is true of all of them"] == nowhere


@pytest.mark.parametrize("way", ["/preview", ""])
async def test_that_nothing_matches_is_said_with_the_reason(
    client: Client, pool: Pool, workflow: Workflow, way: str
) -> None:
    _, empty = await ask(client, "/preview", workflow, filter_spec={"status": "x"})
    await store_entities(pool, {"status": "Open"})
    _, warnings = await ask(client, way, workflow, filter_spec={"status": "open"})

    assert "there is no entity of type ticket at all, so nothing would run" in empty
    assert "no entity of type ticket matches, so nothing would run" in warnings
    assert any("differs from the rule only in upper and lower case" in warning for warning in warnings)


# Named ids


@pytest.mark.parametrize("way", ["/preview", ""])
async def test_ids_that_are_unknown_unfit_or_named_twice_are_counted(
    client: Client, pool: Pool, workflow: Workflow, way: str
) -> None:
    await store_entities(pool, {"n": 1}, {"n": 2}, {"n": 2})
    ids = ["e0", "e1", "e0", "x", "e2", "y", "x"]
    data, warnings = await ask(client, way, workflow, filter_spec={"n": 2}, entity_ids=ids)

    assert "2 of the entity_ids repeat an earlier one (such as 'e0'); each entity is planned once" in warnings
    assert any(one.startswith("2 of 5 entity_ids are unknown") for one in warnings), warnings
    assert "1 of 5 entity_ids is not matched by the filter; they are skipped as `not_matching`" in warnings
    assert not any("none of the entity_ids" in one for one in warnings)
    if not way:
        assert {"named": 5, "unknown": 2, "not_matching": 1} == data["named_entities"]
        assert any("(such as 'x', 'y')" in one for one in warnings)


@pytest.mark.parametrize("way", ["/preview", ""])
async def test_a_list_of_which_nothing_is_known_is_doubted(
    client: Client, pool: Pool, workflow: Workflow, way: str
) -> None:
    await store_entities(pool, {"n": 1})
    _, warnings = await ask(client, way, workflow, filter_spec={}, entity_ids=["id,n", "e0,1"])

    assert "none of the entity_ids can run; is this the list that was meant?" in warnings


async def test_ids_that_are_all_known_pass_without_a_word(client: Client, pool: Pool, workflow: Workflow) -> None:
    await store_entities(pool, {"n": 1}, {"n": 2})
    data, warnings = await ask(client, "", workflow, filter_spec={}, entity_ids=["e0", "e1"], timezone="UTC")

    assert [] == warnings
    assert {"named": 2, "unknown": 0, "not_matching": 0} == data["named_entities"]


# Zones


@WAYS
async def test_a_zone_whose_clocks_stand_still_is_told(
    client: Client, pool: Pool, workflow: Workflow, way: str
) -> None:
    await store_entities(pool, {"at": "2025-06-03T10:00:00Z"})
    said = "the zone EST never changes its clocks; where they change, write a zone such as 'America/New_York'"
    _, outer = await ask(client, way, workflow, filter_spec={}, timezone="EST")
    spec = rule("at", ">", "2025-01-01T00:00:00Z")
    spec["rules"][0]["timezone"] = "EST"
    _, inner = await ask(client, "/verify", workflow, filter_spec=spec)

    assert said in outer
    assert said in inner
