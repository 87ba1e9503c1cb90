"""At 400 % zoom (320 px of CSS) and in the system's own colours: every page, and every page that asks first."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from tests.browser.conftest import Open, World
from tests.browser.test_look import PAGES

ASKING = {
    "pause": ("busy", "/pause"), "try now": ("refused", "/try-now"), "go on": ("sampled", "/resume"),
    "delete": ("ended", "/delete"), "all ended of one": ("ended", "/rerun?status=succeeded"),
    "send a test": ("", "/system/notifications/desk/test"), "look now": ("", "/system/brakes/crm_lag/test"),
    "new key": ("", "/system/keys/new"), "unknown": ("", "/nothing/here"),
}  # fmt: skip
LOOKS: dict[str, dict[str, Any]] = {
    "400 percent": {"viewport": {"width": 320, "height": 640}},
    "own colours": {"forced_colors": "active", "viewport": {"width": 1280, "height": 800}},
}
# What stands beside the edge of the window without a box of its own that scrolls.
BESIDE = """() => [...document.querySelectorAll("main *")].filter((one) => {
  const box = one.getBoundingClientRect();
  if (!box.width || box.right <= innerWidth + 1 || one.closest(".unseen, .unseen-until-focus")) return false;
  for (let up = one; up; up = up.parentElement)
    if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) return false;
  return true;
}).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("look", LOOKS)
async def test_nothing_stands_beside_the_edge(world: World, open_page: Open, look: str) -> None:
    page = await open_page("admin", **LOOKS[look])
    for name, (backfill, rest) in {**PAGES, **ASKING}.items():
        await page.goto(world.path(backfill, rest) if backfill else rest)
        await _keep(page, f"{look} {name}")
        beside = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

        assert [] == await page.evaluate(BESIDE), name
        assert 0 >= beside, f"{name} is {beside} px wider than the window"


async def _keep(page: Page, name: str) -> None:
    if folder := os.environ.get("BACKFILLD_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name.replace(' ', '-')}.png", full_page=True)
