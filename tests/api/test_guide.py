"""The guide is served as it was written: every page, every link, no script, readable by day and by night."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urljoin

import pytest
from tests.api.conftest import Serve
from tests.support.all_routes import all_routes

from backfilld.api.reference import docs_page, guide_page
from backfilld.api.reference.guide_page import HOME, guide

ROOT = Path(__file__).parents[2]
ADDRESSES = {name: "/docs/guide" if name == HOME else f"/docs/guide/{name}" for name in guide().names}
LEAST_CONTRAST = 4.5


def test_every_document_is_a_page() -> None:
    documents = {file.stem for file in (ROOT / "docs").glob("*.md")}

    assert documents | {HOME, "changelog", "config.example"} <= set(guide().names)
    assert (HOME, "install", "operations") == guide().names[:3]


async def test_it_is_served_to_everybody_without_script(serve: Serve) -> None:
    client = await serve(all_routes(), role=None)
    for address in ADDRESSES.values():
        answer = await client.get(address)
        text = await answer.text()

        assert (200, "text/html") == (answer.status, answer.content_type), address
        assert "default-src 'none'; style-src 'sha256-" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        for forbidden in ("<script", " style=", " src=", "@import", "url("):
            assert forbidden not in re.sub(r"<code.*?</code>", "", text, flags=re.DOTALL), f"{address}: {forbidden}"


@pytest.mark.parametrize("name", ["nothing", "README.md", "%2e%2e%2fREADME", "operations.md"])
async def test_a_page_that_is_not_there_is_not_found(serve: Serve, name: str) -> None:
    client = await serve(all_routes(), role=None)
    answer = await client.get(f"/docs/guide/{name}")

    assert 404 == answer.status


@cache
def places() -> dict[str, set[str]]:
    """The anchors of each page."""
    return {address: set(re.findall(r' id="([^"]+)"', guide().page(name))) for name, address in ADDRESSES.items()}


@pytest.mark.parametrize("name", guide().names)
def test_every_link_leads_somewhere(name: str) -> None:
    text = re.sub(r"<(pre|code).*?</\1>", "", guide().page(name), flags=re.DOTALL)
    broken = []
    for link in re.findall(r'href="([^"]+)"', text):
        page, _, anchor = urljoin(ADDRESSES[name], link).partition("#")
        inside = places().get(page, set())
        if (
            not link.startswith(("http:", "https:"))
            and page != "/docs"
            and (page not in places() or (anchor and anchor not in inside))
        ):
            broken.append(link)

    assert [] == broken


def colours(style: str) -> Iterator[dict[str, str]]:
    """Those of the day, and those of the night."""
    day = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", style.split("@media", 1)[0]))
    yield day
    yield day | dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", style.split("dark) {", 1)[1].split("\n", 1)[0]))


def luminance(colour: str) -> float:
    """As WCAG defines it."""
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("style", [docs_page.STYLE, guide_page.STYLE], ids=["docs", "guide"])
def test_links_and_text_stand_out_by_day_and_by_night(style: str) -> None:
    day, night = colours(style)

    assert luminance(day["ground"]) > luminance(night["ground"])
    for found in (day, night):
        for name in found.keys() & {"ink", "accent", "mark"}:
            assert contrast(found[name], found["ground"]) >= LEAST_CONTRAST, name
