"""The pictures of README.md: `make screenshots` runs the demo, looks at it in a browser, and writes them anew."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
SETTLES_MS = 20_000  # what was started has something to show by then


async def demo(folder: str) -> dict[str, Any]:
    """What the demo told; its daemon goes on."""
    command = Path(sys.executable).parent / "backfilld"
    asked = (str(command), "demo", "--keep", "--json", "--state-directory", folder)
    process = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    found: dict[str, Any] = json.loads(told)
    return found


async def shoot(browser: Browser, told: dict[str, Any]) -> None:
    """By day all of them, by night the one that runs."""
    for theme, name, selector in (("light", "overview", None), ("dark", "backfill", "text=enrich all tickets")):
        scheme: Any = theme
        context = await browser.new_context(base_url=told["url"], viewport=SIZE, color_scheme=scheme, locale="en-GB")  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto("/sign-in")
        await page.fill("#key", told["api_key"])
        await page.keyboard.press("Enter")
        await page.wait_for_url(told["url"] + "/")
        if selector is not None:
            await page.click(selector)
            await page.wait_for_selector("#progress")
        await page.wait_for_timeout(2_000)
        await page.screenshot(path=IMAGES / f"{name}.png")
        await context.close()


async def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="backfilld-pictures-") as folder:
        told = await demo(folder)
        try:
            await asyncio.sleep(SETTLES_MS / 1000)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                await shoot(browser, told)
                await browser.close()
        finally:
            for pid in told["pids"]:
                os.kill(pid, signal.SIGTERM)
            await asyncio.sleep(5)  # the database under the daemon ends with it


if __name__ == "__main__":
    asyncio.run(main())
