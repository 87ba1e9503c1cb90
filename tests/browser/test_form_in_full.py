"""The form of a new backfill: whatever rules and windows it can show come back as the same, and it makes one."""

import json
from typing import Any

from playwright.async_api import Page, expect
from tests.browser.conftest import Open, World
from tests.browser.test_look import violations

TREE: dict[str, Any] = {
    "combinator": "and",
    "rules": [
        {"field": "priority", "operator": "<=", "value": 3},
        {
            "combinator": "or",
            "not": True,
            "rules": [
                {"field": "priority", "operator": "in", "value": [1, 2]},
                {"combinator": "and", "rules": [{"field": "priority", "operator": "between", "value": [2, 4]}]},
            ],
        },
    ],
}
UNSHOWN = {"field": "priority", "operator": "=", "value": "4", "case_sensitive": True}


async def rules_of(page: Page) -> Any:
    return json.loads(await page.input_value("#json"))


async def test_rules_of_three_levels_go_to_json_and_back(open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto("/backfills/new")
    await page.click("button[value=json]")
    await page.fill("#json", json.dumps(TREE))
    await page.click("button[value=builder]")
    await expect(page.locator("#f-1-1-0-op")).to_have_value("between")
    assert [] == await violations(page)
    await page.click("button[value=json]")
    first = await rules_of(page)
    await page.click("button[value=builder]")
    await page.click("button[value=json]")

    assert first == await rules_of(page)
    assert TREE["rules"][0] == first["rules"][0]
    assert TREE["rules"][1]["rules"] == [
        {**rule, "rules": rule["rules"]} if "rules" in rule else rule for rule in first["rules"][1]["rules"]
    ]


async def test_what_rules_cannot_show_stays_as_it_is(open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto("/backfills/new")
    await page.click("button[value=json]")
    await page.fill("#json", json.dumps(UNSHOWN))
    await page.click("button[value=builder]")
    await expect(page.locator("main")).to_contain_text("Rules cannot show this filter")

    assert UNSHOWN == await rules_of(page)


async def test_windows_are_made_as_they_are_shown_and_a_double_click_makes_one(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto("/backfills/new")
    await page.click("button[value='preset:weeknights']")
    await page.click("button[value=window]")
    await page.fill("#w-1-from", "12:00")
    await page.fill("#w-1-to", "13:30")
    await page.check("[name='w.1.d0']")
    await page.fill("#timezone", "Europe/Berlin")
    await page.select_option("#workflow", label="paused")
    await page.fill("#name", "two spans a day")
    await page.check("[name=all]")
    await expect(page.locator("#preview")).to_contain_text("Berlin")
    await page.dblclick("button[value=wait]")
    await expect(page.locator("h1")).to_contain_text("two spans a day")
    made = await world.call("GET", f"/backfills/{page.url.rpartition('/')[2]}")
    windows = made["backfill"]["effective_windows"]
    every = await world.call("GET", "/backfills")

    assert ["two spans a day"] == [one["name"] for one in every["backfills"] if one["name"] == "two spans a day"]
    assert "Europe/Berlin" == made["backfill"]["timezone"]
    monday = json.dumps(windows["monday"])
    assert "12:00" in monday
    assert "13:30" in monday
    assert "22:00" in monday
