"""A real browser on a real daemon. What a page says to the console, or asks of another host, fails the test."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright
from tests.support.backfills import ALWAYS
from tests.support.daemon_within import daemon_within
from tests.support.database import Databases
from tests.support.waiting import eventually

from backfilld.clock import SystemClock
from backfilld.domain.access.callers import ROLES, Actor, Role
from backfilld.operations.keys import create_key
from backfilld.operations.web_sessions import WebSessions
from backfilld.store.connection.pool import open_pool

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Counts every shift that nobody has asked for by a key or a click, and keeps what moved, from where to where.
SHIFTS = """
window.shifted = 0;
window.moved = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) {
    window.shifted += one.value;
    for (const { node, previousRect: from, currentRect: to } of one.sources)
      window.moved.push(`${one.value.toFixed(4)} ${from.y}+${from.height} to ${to.y}+${to.height}:`
        + ` ${(node?.outerHTML ?? node?.textContent ?? "").slice(0, 200)}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
NIGHTS = {day: [{"run_start_time": "22:00", "run_end_time": "06:00"}] for day in ("monday", "tuesday")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Complaints:
    """What a page did that no page of ours does. `neighbours`: hosts that it may lead to all the same."""

    url: str
    neighbours: frozenset[str] = frozenset()
    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._hear(message, page))
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._request)

    def _hear(self, message: ConsoleMessage, page: Page) -> None:
        is_of_page = message.location.get("url") == page.url  # a page that says no is one all the same
        if not (
            is_of_page and message.text.startswith("Failed to load resource: the server responded with a status of 4")
        ):
            self.found.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc not in {urlsplit(self.url).netloc, *self.neighbours}:
            self.found.append(f"request to {request.url}")


class Open(Protocol):
    async def __call__(self, role: Role | None = "operator", **settings: Any) -> Page: ...


@dataclass
class World:
    """A daemon with backfills in many states, by name, and a key for each role."""

    url: str
    keys: dict[Role, str]
    ids: dict[str, str]
    link: Callable[[], Awaitable[str]]
    call: Callable[..., Awaitable[Any]]
    held: asyncio.Event

    def path(self, name: str, rest: str = "") -> str:
        return f"/backfills/{self.ids[name]}{rest}"


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        assert "CI" not in os.environ, "chromium is missing; .ci/run installs it"
        pytest.skip("needs chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def target(held: asyncio.Event) -> AsyncIterator[str]:
    """`/slow` answers in a moment, `/held` when it is told to, `/flaky` refuses each seventh, `/refuse` all."""

    async def told(request: web.Request) -> web.Response:
        return web.Response(status=503 if request.path == "/hook/deaf" else 200)

    async def lag(_: web.Request) -> web.Response:
        return web.json_response({"lag": 14.2})

    async def answer(request: web.Request) -> web.Response:
        number = int((await request.json()).get("entity", {"id": 0})["id"])  # sessions have none
        match request.path:
            case "/refuse":
                return web.Response(status=401, text="invalid token")
            case "/slow":
                await asyncio.sleep(1.0)  # longer than any of these tests, for all of its items
            case "/held":
                await held.wait()
            case "/flaky" if number % 7 == 0:
                return web.Response(status=409, text=f"ticket {number} is locked by <b>user</b> {number % 50}")
        return web.json_response({"status": "succeeded", "message": "done", "result": {"tier": "gold"}})

    app = web.Application()
    app.router.add_post("/hook/{any}", told)
    app.router.add_get("/lag", lag)
    app.router.add_post("/{any}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        held.set()
        await runner.cleanup()


def _config(folder: Path, dsn: str, url: str) -> str:
    workflows = "".join(
        f'[[workflows]]\nname = "{name}"\ncredits_per_entity = 1.5\n'
        f'executor = {{ type = "http", url = "{url}/{name}" }}\n'
        for name in ("slow", "held", "flaky", "refuse", "waits", "approve", "paused", "sample")
    )
    return (
        f'[database]\ndsn = "{dsn}"\n[server]\nport = 0\n[state]\ndirectory = "{folder}"\n'
        f'[engine]\nshutdown_grace_seconds = 1\n[executors]\nallowed_hosts = ["127.0.0.1"]\n{workflows}'
        f'[targets.crm]\norigins = ["{url}"]\nstarts_per_minute = 6000\n'
        f'[brakes.crm_lag]\ntype = "http"\nurl = "{url}/lag"\nvalue = "lag"\nhold_above = 10\ncritical_above = 120\n'
        'every_seconds = 1\n[brakes.crm_lag.applies_to]\nworkflows = ["default/paused"]\n'
        f'[[notifications]]\nname = "desk"\nurl = "{url}/hook/desk"\n'
        f'[[notifications]]\nname = "deaf"\nurl = "{url}/hook/deaf"\nevents = ["created"]\n'
    )


@pytest.fixture
def more_config() -> str:
    """What else stands in the daemon's file."""
    return ""


@pytest.fixture
def neighbours() -> frozenset[str]:
    """Hosts (with ports) that pages may lead to."""
    return frozenset()


@pytest.fixture
async def world(databases: Databases, dsn: str, tmp_path: Path, more_config: str) -> AsyncIterator[World]:
    held = asyncio.Event()
    async with target(held) as url, daemon_within(tmp_path, _config(tmp_path, dsn, url) + more_config) as daemon:
        pool = await open_pool(dsn)
        made = {
            role: await create_key(pool, SystemClock(), name=f"the {role}", role=role, actor=Actor.local("cli"))
            for role in ROLES
        }
        keys = {role: key.key for role, key in made.items()}

        async def link() -> str:
            return await WebSessions(pool, SystemClock()).make_link(made["admin"].id)

        headers = {"Authorization": f"Bearer {keys['admin']}"}
        async with aiohttp.ClientSession(daemon.url, headers=headers) as session:

            async def call(method: str, path: str, body: Any = None) -> Any:
                async with session.request(method, "/public-api" + path, json=body) as answer:
                    text = await answer.text()
                    assert answer.status < 300, text
                    return json.loads(text)["data"]

            yield World(daemon.url, keys, await _filled(call), link, call, held)
        await pool.close()


async def _filled(call: Callable[..., Awaitable[Any]]) -> dict[str, str]:
    tickets = [{"id": str(number), "attributes": {"priority": number % 5}} for number in range(400)]
    await call("PUT", "/entities/ticket", tickets)
    workflows = {one["name"]: one["id"] for one in (await call("GET", "/workflows"))["workflows"]}
    ids: dict[str, str] = {}

    async def make(workflow: str, name: str, **more: Any) -> None:
        body = {
            "entity_type": "ticket", "filter_spec": {}, "daily_execution_windows": ALWAYS, "max_in_flight": 3,
            "target_workflow_id": workflows[workflow], "timezone": "America/New_York", "name": name,
        }  # fmt: skip
        ids[name] = (await call("POST", "/backfills", body | more))["backfill"]["id"]

    async def stands(name: str, *statuses: str) -> None:
        async def is_so() -> bool:
            return (await call("GET", f"/backfills/{ids[name]}"))["backfill"]["status"] in statuses

        await eventually(is_so, seconds=30)

    await make("flaky", "ended", entity_ids=[str(number) for number in range(120)], max_attempts=1)
    await make("slow", "busy")
    await make("held", "held")
    await make("refuse", "refused")
    await make("waits", "nights", daily_execution_windows=NIGHTS)
    await make("approve", "unapproved <i>&amp;", start="when_approved", entity_ids=["1", "2", "3"])
    await make("sample", "sampled", sample_size=2)
    await stands("ended", "completed_with_failures")
    await stands("unapproved <i>&amp;", "paused")
    await stands("sampled", "paused")
    await stands("busy", "running")
    return ids


@pytest.fixture
async def open_page(browser: Browser, world: World, neighbours: frozenset[str]) -> AsyncIterator[Open]:
    """`await open_page("viewer")`: a window in which somebody is signed in; None: nobody is. Ends with no complaint."""
    complaints = Complaints(world.url, neighbours)
    contexts: list[BrowserContext] = []

    async def opened(role: Role | None = "operator", **settings: Any) -> Page:
        wanted = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        context = await browser.new_context(base_url=world.url, **(wanted | settings))
        contexts.append(context)
        context.set_default_timeout(15_000)
        await context.add_init_script(SHIFTS)
        page = await context.new_page()
        complaints.watch(page)
        if role is not None:
            await page.goto("/sign-in")
            await page.fill("#key", world.keys[role])
            await page.keyboard.press("Enter")
            await page.wait_for_url(world.url + "/")
        return page

    yield opened
    for context in contexts:
        await context.close()

    assert [] == complaints.found
