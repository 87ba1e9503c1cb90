"""`/backfills/new`: put together without script, looked at, and made once."""

import json
import re
from typing import Any

import pytest
from tests.support.backfill_api import store_entities
from tests.support.backfills import Workflow, make_backfill, put_into
from tests.web import forms
from tests.web.conftest import Person, Site

from backfilld.domain.backfills.states import Status
from backfilld.store.connection.pool import Pool

NEW = "/backfills/new"


def sent(page: str) -> dict[str, str]:
    """What a browser would send of the form: its inputs, and what is chosen."""
    return forms.sent(page, "new")


def shown(page: str) -> str:
    """The preview's text."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition('id="preview"')[2]).split())


async def post(person: Person, fields: dict[str, str], do: str) -> tuple[int, str]:
    answer = await person.post(NEW, **fields, do=do)
    return answer.status, await answer.text()


async def made(pool: Pool) -> list[dict[str, Any]]:
    rows = await pool.fetch("SELECT id, name, settings FROM backfills ORDER BY number")
    return [{"id": row["id"], "name": row["name"]} | json.loads(row["settings"]) for row in rows]


@pytest.fixture
async def anna(site: Site, pool: Pool, workflow: Workflow) -> Person:
    await store_entities(pool, *({"status": "closed" if n % 2 else "open", "priority": n} for n in range(10)))
    return await site.sign_in("operator")


async def test_the_page_begins_with_all_records_and_says_what_that_comes_to(anna: Person) -> None:
    page = await anna.text(NEW)

    assert "10 to run of 10 tickets that match" in shown(page)
    assert "about 15 credits" in shown(page)
    assert "all 10 tickets" in page
    assert "classify" in page
    assert len(page) < 60_000


async def test_what_bounds_it_and_when_it_ends_is_said(anna: Person, pool: Pool, workflow: Workflow) -> None:
    before = await make_backfill(pool, workflow)
    await put_into(pool, before, Status.COMPLETED)
    fields = sent(await anna.text(NEW))
    _, page = await post(anna, fields | {"starts_per_minute": "2"}, "preset:always")
    early = shown(page)
    await pool.execute("UPDATE backfill_progress SET throughput = 1")
    _, page = await post(anna, sent(page), "preview")

    assert "Ends not before Mon 12:05 Bounded by 2 starts a minute" in early
    assert "Ends ≈ Mon 12:05 Bounded by 2 starts a minute" in shown(page)


async def test_a_preview_needs_no_workflow(anna: Person, pool: Pool) -> None:
    await pool.execute("UPDATE workflows SET enabled = false")
    page = shown(await anna.text(NEW))

    assert "10 to run of 10 tickets that match" in page
    assert "no workflow is named that could tell its speed" in page


async def test_a_filter_is_built_by_buttons_alone(anna: Person) -> None:
    fields = sent(await anna.text(NEW)) | {"f.0.field": "status", "f.0.value": "closed"}
    _, page = await post(anna, fields, "group:f")
    fields = sent(page) | {"f.1.0.field": "priority", "f.1.0.op": "<=", "f.1.0.value": "3"}
    _, page = await post(anna, fields, "rule:f.1")
    fields = sent(page) | {"f.1.1.field": "priority", "f.1.1.op": "in", "f.1.1.value": "5, 7"}
    _, page = await post(anna, fields, "preview")

    assert "4 to run of 4" in shown(page)  # 1 3 5 7
    _, page = await post(anna, sent(page), "drop:f.1.1")
    assert "2 to run of 2" in shown(page)
    _, page = await post(anna, sent(page), "json")
    assert "priority" in sent(page)["json"]
    _, page = await post(anna, sent(page), "builder")
    assert "2 to run of 2" in shown(page)
    assert "closed" == sent(page)["f.0.value"]


async def test_a_filter_that_rules_cannot_show_stays_json(anna: Person) -> None:
    spec = {"combinator": "and", "rules": [
        {"field": "status", "operator": "=", "value": "CLOSED", "case_sensitive": False},
    ]}  # fmt: skip
    fields = sent(await anna.text(NEW)) | {"mode": "json", "json": json.dumps(spec)}
    _, page = await post(anna, fields, "builder")

    assert "it stays as it is" in page
    assert spec == json.loads(sent(page)["json"])
    assert "5 to run of 5" in shown(page)


async def test_windows_are_changed_by_buttons_alone(anna: Person) -> None:
    page = await anna.text(NEW)
    assert "until the next morning" in page
    _, page = await post(anna, sent(page), "preset:always")
    assert "Always open" in shown(page)
    _, page = await post(anna, sent(page), "window")
    status, page = await post(anna, sent(page), "preview")
    assert 200 == status
    assert "choose the days on which it is open" in page
    _, page = await post(anna, sent(page), "unwindow:w.1")
    assert "Always open" in shown(page)


@pytest.mark.parametrize(("do", "start"), [("wait", "when_approved"), ("start", "now")])
async def test_it_is_made_as_it_was_put_together(anna: Person, pool: Pool, do: str, start: str) -> None:
    fields = sent(await anna.text(NEW)) | {"f.0.field": "status", "f.0.value": "closed", "name": "tidy up"}
    answer = await anna.post(NEW, **fields, do=do)
    (only,) = await made(pool)

    assert (303, f"/backfills/{only['id']}") == (answer.status, answer.headers["Location"])
    assert "tidy up" == only["name"]
    assert start == only["start"]
    rules = [{"field": "status", "operator": "=", "value": "closed"}]
    assert {"combinator": "and", "rules": rules} == only["filter_spec"]


async def test_a_double_click_makes_one_and_a_changed_form_says_so(anna: Person, pool: Pool) -> None:
    fields = sent(await anna.text(NEW)) | {"all": "1"}
    first, second = await anna.post(NEW, **fields, do="wait"), await anna.post(NEW, **fields, do="wait")

    assert 303 == first.status == second.status
    assert first.headers["Location"] == second.headers["Location"]
    status, page = await post(anna, fields | {"name": "changed"}, "wait")
    assert 409 == status
    assert "This form has made a backfill already" in page
    assert fields["key"] != sent(page)["key"]
    assert 1 == len(await made(pool))


async def test_all_records_take_a_tick(anna: Person, pool: Pool) -> None:
    fields = sent(await anna.text(NEW))
    status, page = await post(anna, fields, "start")

    assert 422 == status
    assert "without a rule every record is run" in page
    assert [] == await made(pool)
    assert 303 == (await anna.post(NEW, **sent(page) | {"all": "1"}, do="start")).status


FAULTS: list[tuple[dict[str, str], str]] = [
    ({"f.0.field": "", "f.0.value": "x"}, "f.0.field"),
    ({"f.0.field": "a", "f.0.op": "nonsense"}, "f.0.op"),
    ({"f.0.field": "a", "f.0.op": "between", "f.0.value": "1"}, "f.0.value"),
    ({"w.0.from": "25:00"}, "w.0.from"),
    ({"w.0.to": "soon"}, "w.0.to"),
    ({"timezone": "New York"}, "timezone"),
    ({"excluded_dates": "2026-02-30"}, "excluded_dates"),
    ({"max_in_flight": "many"}, "max_in_flight"),
    ({"max_in_flight": "1000"}, "max_in_flight"),
    ({"max_in_flight": ""}, "max_in_flight"),
    ({"starts_per_minute": "-1"}, "starts_per_minute"),
    ({"sample_size": "0"}, "sample_size"),
    ({"max_credits": "x"}, "max_credits"),
    ({"fp.ratio": "500"}, "fp.ratio"),
    ({"fp.row": "0"}, "fp.row"),
    ({"workflow": "999999"}, "workflow"),
    ({"entity_type": "unheard_of"}, "entity_type"),
    ({"params": "{"}, "params"),
    ({"params": "[]"}, "params"),
    ({"name": "x" * 500}, "name"),
    ({"slow.ms": "0"}, "slow.ms"),
    ({"mode": "json", "json": "{"}, "json"),
    ({"mode": "json", "json": '{"combinator": "and"}'}, "json"),
]


@pytest.mark.parametrize(("do", "answer"), [("preview", 200), ("start", 422)])
async def test_a_fault_stands_at_its_field(anna: Person, pool: Pool, do: str, answer: int) -> None:
    fields = sent(await anna.text(NEW)) | {"all": "1"}
    for changed, name in FAULTS:
        status, page = await post(anna, fields | changed, do)
        id_ = name.replace(".", "-")

        assert answer == status, changed
        assert re.search(rf'name="{re.escape(name)}" aria-invalid="true" aria-describedby="{id_}-wrong"', page), changed
        assert f'<a href="#{id_}">' in page, changed
    assert [] == await made(pool)


async def test_all_faults_are_shown_at_once_and_what_was_typed_stays(anna: Person) -> None:
    fields = sent(await anna.text(NEW)) | {"timezone": "<script>", "max_in_flight": "many", "w.0.from": "25:00"}
    _, page = await post(anna, fields, "start")

    assert 4 == page.count('aria-invalid="true"')  # and the tick
    assert "&lt;script&gt;" in page
    assert "<script>" not in page.partition('<main id="main"')[2]


async def test_a_viewer_makes_nothing(site: Site, anna: Person, pool: Pool) -> None:
    viewer = await site.sign_in("viewer")
    fields = sent(await anna.text(NEW)) | {"all": "1"}

    assert 403 == (await viewer.get(NEW)).status
    assert 403 == (await viewer.post(NEW, **fields, do="start")).status
    assert 'href="/backfills/new"' not in await viewer.text("/")
    assert 'href="/backfills/new"' in await anna.text("/")
    assert [] == await made(pool)


async def test_another_backfill_in_the_way_is_named_with_a_link(anna: Person, pool: Pool, workflow: Workflow) -> None:
    other = await make_backfill(pool, workflow)
    status, page = await post(anna, sent(await anna.text(NEW)) | {"all": "1"}, "start")

    assert 409 == status
    assert "this workflow has an active backfill already" in page.lower()
    assert f'href="/backfills/{other.id}"' in page


async def test_a_clone_asks_for_the_same(anna: Person, pool: Pool) -> None:
    changed = {
        "f.0.field": "priority", "f.0.op": "in", "f.0.value": "1, 2", "name": "first", "w.0.from": "21:30",
        "timezone": "America/New_York", "excluded_dates": "2026-12-24", "fp.ratio": "12.5", "starts_per_minute": "2.5",
        "params": '{"x": 1}', "slow.ms": "500", "order": "newest_first",
    }  # fmt: skip
    answer = await anna.post(NEW, **sent(await anna.text(NEW)) | changed, do="wait")
    id_ = answer.headers["Location"].rpartition("/")[2]
    assert f'href="/backfills/new?clone={id_}"' in await anna.text(f"/backfills/{id_}")
    again = sent(await anna.text(f"{NEW}?clone={id_}"))

    told = {name: again[name] for name in changed.keys() - {"params"}}
    assert {name: changed[name] for name in told} == told
    assert {"x": 1} == json.loads(again["params"])


@pytest.mark.parametrize("id_", ["x", "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11"])
async def test_a_clone_of_nothing_says_so(anna: Person, id_: str) -> None:
    answer = await anna.get(f"{NEW}?clone={id_}")

    assert 404 == answer.status
    assert "There is no backfill" in await answer.text()


async def test_an_address_may_bring_a_filter(anna: Person) -> None:
    spec = '{"combinator":"and","rules":[{"field":"status","operator":"=","value":"open"}]}'
    page = await anna.text(f"{NEW}?entity_type=ticket&filter={spec}")

    assert "open" == sent(page)["f.0.value"]
    assert "5 to run of 5" in shown(page)
    for broken in ("{", "[]", "[" * 2_000):
        assert 200 == (await anna.get(f"{NEW}?filter={broken}")).status


async def test_without_a_workflow_the_page_says_what_is_missing(site: Site) -> None:
    person = await site.sign_in("operator")

    assert "No workflow is enabled" in await person.text(NEW)


async def test_the_form_follows_the_fields_of_the_records(anna: Person) -> None:
    fields = sent(await anna.text(NEW)) | {"f.0.field": "priority", "f.0.op": "<="}
    _, known = await post(anna, fields, "rule:f")
    _, strange = await post(anna, fields | {"f.0.field": "prioriti"}, "rule:f")
    first = known.partition('id="f-0-op"')[2].partition("</select>")[0]

    assert '<option value="&lt;=" selected>≤</option>' in first
    assert "contains" not in first
    assert "No record of the sample has this field." not in known
    assert "No record of the sample has this field." in strange
