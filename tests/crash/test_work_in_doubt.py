"""A target that works once per key, as the draft of `Idempotency-Key` describes it, and a daemon that is killed."""

import asyncio
import itertools
from collections import Counter
from dataclasses import replace

import pytest
from aiohttp import web
from tests.crash.accounts import assert_exact
from tests.support.targets import target as web_target
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WORKS_SECONDS = 3.0
ENTITIES = [f"T{number}" for number in range(4)]


class WorksOncePerKey:
    """The first request of a key is worked for and answered; meanwhile others get a conflict, later the same answer."""

    def __init__(self, conflict: int) -> None:
        self.conflict = conflict
        self.begun: Counter[str] = Counter()
        self.answered: Counter[int] = Counter()
        self._done: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        if key not in self._done:
            self.begun[key] += 1
            self._done[key] = asyncio.create_task(asyncio.sleep(WORKS_SECONDS))
            await asyncio.shield(self._done[key])
        if not self._done[key].done():
            self.answered[self.conflict] += 1
            return web.json_response({"error": "in progress"}, status=self.conflict, headers={"Retry-After": "1"})
        self.answered[200] += 1
        return web.json_response({"status": "succeeded", "message": "worked once"})


@pytest.mark.parametrize("conflict", [409, 423, 425])
@pytest.mark.parametrize(("timeout_seconds", "is_killed"), [(1.0, False), (60.0, True)])
async def test_what_the_target_is_still_at_is_not_failed(daemon, dsn, conflict, timeout_seconds, is_killed):
    works = WorksOncePerKey(conflict)
    async with web_target(works) as there:
        workflow = {"timeout_seconds": timeout_seconds}
        daemon.configure(replace(daemon.plan, target=there.url, workflow=workflow))
        await daemon.start()
        await daemon.upload(ENTITIES)
        id = await daemon.create(max_in_flight=4, max_attempts=10)
        await eventually(lambda: len(works.begun) == len(ENTITIES))
        if is_killed:
            await daemon.kill()
            await daemon.start()
        ended = await daemon.ends(id)
        await assert_exact(daemon, dsn, id, planned=len(ENTITIES))
        entries = [(await daemon.client.get_ledger_item(id, entity))["entity"] for entity in ENTITIES]
        tries = itertools.chain.from_iterable(entry["tries"] for entry in entries)
        errors = Counter(one["error_class"] for one in tries if one["error_class"])

    assert "completed" == ended["status"]
    assert {"worked once"} == {entry["message"] for entry in entries}
    assert {1} == set(works.begun.values())
    assert works.answered[conflict] > 0
    assert errors[f"http_{conflict}"] == works.answered[conflict]
