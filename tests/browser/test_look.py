"""Every page, by day and by night, wide and narrow: readable for all, nothing beside the edge, nothing that jumps.

BACKFILLD_SHOTS=folder keeps what was seen.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from tests.browser.conftest import Open, World

AXE = (Path(__file__).parent / "axe-core-4.14.1/axe.min.js").read_text(encoding="utf-8")
PAGES = {
    "overview": ("", "/"), "attention": ("", "/?show=attention"), "nothing found": ("", "/?q=nothing+like+it"),
    "account": ("", "/account"), "new": ("", "/backfills/new"),
    "busy": ("busy", ""), "ended": ("ended", ""), "refused": ("refused", ""), "nights": ("nights", ""),
    "unapproved": ("unapproved <i>&amp;", ""), "sampled": ("sampled", ""),
    "ledger": ("ended", "/entities"), "failed": ("ended", "/entities?status=failed"),
    "entity": ("ended", "/entities/7"),
    "timeline": ("ended", "/timeline"), "settings": ("nights", "/settings"), "cancel": ("held", "/cancel"),
    "edit": ("nights", "/edit"), "run now": ("nights", "/override"), "errors": ("ended", "/errors"),
    "rerun": ("ended", "/rerun-failed"), "rerun others": ("ended", "/rerun"),
    "approve": ("unapproved <i>&amp;", "/resume"),
    "system": ("", "/system"), "targets": ("", "/system/targets"), "sources": ("", "/system/sources"),
    "brakes": ("", "/system/brakes"), "workflows": ("", "/system/workflows"),
    "notifications": ("", "/system/notifications"), "deliveries": ("", "/system/notifications/deaf"),
    "keys": ("", "/system/keys"), "audit": ("", "/system/audit"), "audit faults": ("", "/system/audit?since=now"),
    "stop": ("", "/system/stop-all"), "release": ("", "/system/brakes/crm_lag/release"),
}  # fmt: skip
# What works says more or less from one second to the next: there words move within a sentence, and nothing else does.
MAY_SHIFT = {"busy": 0.02}
LIVE_MS = 1_300  # one look of the hub, and its message


async def violations(page: Page) -> list[str]:
    """What axe finds, in a line each."""
    await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def look_at(page: Page, name: str) -> None:
    faults = await violations(page)
    print(name, faults)
    beside = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if folder := os.environ.get("BACKFILLD_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name.replace(' ', '-')}.png", full_page=True)

    assert [] == faults, name
    assert 0 >= beside, f"{name} is {beside} px wider than the window"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
async def test_every_page_is_readable_and_fits(world: World, open_page: Open, theme: Any, width: int) -> None:
    stranger = await open_page(None, color_scheme=theme, viewport={"width": width, "height": 900})
    await stranger.goto("/sign-in")
    await look_at(stranger, f"sign-in-{theme}-{width}")
    page = await open_page("admin", color_scheme=theme, viewport={"width": width, "height": 900})
    for name, (backfill, rest) in PAGES.items():
        await page.goto(world.path(backfill, rest) if backfill else rest)
        await page.wait_for_timeout(LIVE_MS if await page.locator("#live").count() else 0)
        await look_at(page, f"{name}-{theme}-{width}")

        assert MAY_SHIFT.get(name, 0.01) > await page.evaluate("window.shifted"), (
            f"{name} jumps: {await page.evaluate('window.moved')}"
        )


async def test_the_theme_that_was_chosen_is_there_at_once(open_page: Open) -> None:
    page = await open_page("viewer")
    await page.click("details.menu summary")
    await page.click("button[value=dark]")

    assert "dark" == await page.get_attribute("html", "data-theme")
    await page.goto("/account")
    assert "dark" == await page.get_attribute("html", "data-theme")


async def test_a_dialog_is_readable(world: World, open_page: Open) -> None:
    page = await open_page("operator")
    await page.goto(world.path("busy"))
    await page.click("#verb-cancel")
    await page.wait_for_selector("dialog[open]")

    assert [] == await violations(page)


def test_what_judges_readability_is_as_it_was_published() -> None:
    digest = hashlib.sha256(AXE.encode()).hexdigest()

    assert "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" == digest
