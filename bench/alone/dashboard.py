"""What the dashboard costs: how heavy its pages are, how long daemon and browser take, and what fifty viewers cost.

    python -m bench.alone.dashboard [SECONDS]
    python -m bench.alone.dashboard --large

The daemon of `backfilld demo --keep`, with eight backfills of which one runs; Debian's chromium for the first paint.
`--large`: every page over a million items and 2,000 backfills instead, two of them with a million each.
"""

import asyncio
import gzip
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from playwright.async_api import async_playwright
from tests.support.crowd import Shape, fill, paths
from tests.support.daemon import Plan, daemon_process
from tests.support.database import running_server

from backfilld.clock import SystemClock
from backfilld.store.connection.pool import open_pool

LARGE = Shape(items=1_000_000, backfills=2_000, schedules=100)
NOWHERE = "http://127.0.0.1:9"
TICKS = os.sysconf("SC_CLK_TCK")
VIEWERS, OF_A_KEY = 50, 20
ROUNDS = 20
COMMAND = str(Path(sys.executable).parent / "backfilld")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


async def told_by(*arguments: str) -> str:
    """What a command prints."""
    process = await asyncio.create_subprocess_exec(COMMAND, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


async def key(folder: str, name: str) -> str:
    """A viewer's."""
    config = str(Path(folder) / "demo.toml")
    made = await told_by("keys", "create", "--config", config, "--name", name, "--role", "viewer", "--json")
    found = re.search(r"neo_sk_\w+", made)
    if found is None:
        raise RuntimeError(f"no key: {made}")
    return found[0]


async def signed_in(stack: AsyncExitStack, url: str, secret: str) -> aiohttp.ClientSession:
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(limit=0)
    session = await stack.enter_async_context(aiohttp.ClientSession(url, cookie_jar=jar, connector=connector))
    await session.post("/sign-in", data={"key": secret}, headers={"Origin": url}, allow_redirects=False)
    return session


async def weigh(session: aiohttp.ClientSession, pages: dict[str, str], pid: int) -> None:
    """Bytes of each page, packed ones too, the middle of so many times, and what one takes of the processor."""
    for name, path in pages.items():
        took, text, before = [], b"", processor_seconds(pid)
        for _ in range(ROUNDS):
            began = time.perf_counter()
            async with session.get(path) as answer:
                text = await answer.read()
            took.append((time.perf_counter() - began) * 1000)
        own = (processor_seconds(pid) - before) / ROUNDS * 1000
        packed = len(gzip.compress(text))
        print(f"{name:30} {len(text):>7,} bytes {packed:>7,} packed {median(took):>6.0f} ms, {own:.0f} ms of processor")


async def paint(url: str, secret: str, pages: dict[str, str]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await (await browser.new_context(base_url=url)).new_page()
        await page.goto("/sign-in")
        await page.fill("#key", secret)
        await page.keyboard.press("Enter")
        await page.wait_for_url(url + "/")
        for name, path in pages.items():
            took = []
            for _ in range(5):
                await page.goto(path)
                await page.wait_for_timeout(300)
                took.append(await page.evaluate(PAINT))
            print(f"{name:14} first paint after {median(took):.0f} ms")
        await browser.close()


def processor_seconds(pid: int) -> float:
    """Of the daemon so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def listen(session: aiohttp.ClientSession, path: str, seconds: float) -> int:
    """Bytes that came."""
    received = 0
    try:
        async with asyncio.timeout(seconds), session.get(path, headers={"Accept": "text/event-stream"}) as answer:
            async for piece in answer.content.iter_any():
                received += len(piece)
    except TimeoutError:
        pass
    return received


async def watch(sessions: list[aiohttp.ClientSession], pid: int, path: str, seconds: float) -> None:
    """What so many viewers of one page cost, beyond what the daemon does anyhow."""
    before = processor_seconds(pid)
    await asyncio.sleep(seconds)
    alone = processor_seconds(pid) - before
    before = processor_seconds(pid)
    received = await asyncio.gather(
        *(listen(sessions[number // OF_A_KEY], path, seconds) for number in range(VIEWERS))
    )  # fmt: skip
    cost = (processor_seconds(pid) - before - alone) / seconds * 100
    each = sum(received) / VIEWERS / seconds / 1024
    print(f"{path.partition('?')[0][:24]:24} {VIEWERS} viewers: {cost:.1f} % of a core, {each:.2f} KiB/s each")


async def large() -> None:
    """Nothing is started there: what is active is leased elsewhere."""
    async with running_server() as databases:
        await databases.make_template()
        async with databases.database() as dsn:
            pool = await open_pool(dsn, statement_timeout="0")
            crowd = await fill(pool, LARGE, SystemClock().now())
            await pool.close()
            folder = Path(tempfile.mkdtemp(prefix="backfilld-dashboard-"))
            async with AsyncExitStack() as stack:
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                daemon = await stack.enter_async_context(daemon_process(folder / "d", Plan(NOWHERE, dsn=dsn)))
                await daemon.start()
                session = await signed_in(stack, daemon.url, await daemon.make_key("admin"))
                await weigh(session, paths(crowd), daemon.pid)


async def main(seconds: float) -> None:
    folder = tempfile.mkdtemp(prefix="backfilld-dashboard-")
    demo: dict[str, Any] = json.loads(await told_by("demo", "--keep", "--json", "--state-directory", folder))
    try:
        keys = [await key(folder, f"viewer {number}") for number in range(-(-VIEWERS // OF_A_KEY))]
        async with AsyncExitStack() as stack:
            sessions = [await signed_in(stack, demo["url"], one) for one in keys]
            async with sessions[0].get("/?show=working") as answer:
                running = re.search(r'href="(/backfills/[0-9a-f-]{36})"', await answer.text())
            one, ended = running[1] if running else "/", f"/backfills/{demo['backfill']['id']}"
            pages = {
                "overview": "/", "one that runs": one, "one that ended": ended, "ledger": f"{ended}/entities",
                "settings": f"{one}/settings",
            }  # fmt: skip
            pid = int((Path(folder) / "daemon-pid").read_text())
            await weigh(sessions[0], pages, pid)
            await paint(demo["url"], demo["api_key"], {name: pages[name] for name in ("overview", "one that runs")})
            for path in ("/events/overview", f"/events{one}/progress"):
                await watch(sessions, pid, path, seconds)
    finally:
        for pid in demo["pids"]:
            os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(5)  # the database ends with its daemon
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--large"]:
        asyncio.run(large())
    else:
        asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
