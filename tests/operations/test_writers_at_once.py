"""Everybody who writes workflows, projects, schedules and their backfills does so at once, for many rounds.

Nothing may come of it but what each of them could be told alone: no deadlock, no update that is lost, no session fired
twice, nothing alive in what is dead.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import orjson
import pytest
from tests.support.backfill_api import make_operations
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.project_archives import packed
from tests.support.schedules import ANNA, maker

from backfilld.bus import Bus
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import BackfilldError
from backfilld.engine.schedules.firing import Firing
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations.projects import ProjectOperations, PushRequest
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.attempts import AttemptOperations
from backfilld.operations.sessions.kill import BackfillKiller
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.operations.workflows import WorkflowOperations
from backfilld.store.connection.pool import Pool, open_pool

DIG = "schedule:\n  minutes_interval>: {}\n+t:\n  echo>: hi\n"
PATIENCE_SECONDS = 120
MAY_BE_TOLD = {
    "delete_project": {"not_found"},
    "come_and_go": {"workflow_in_use", "workflow_exists", "not_found"},  # it stays while it has a backfill
    "backfill": {"invalid", "not_found", "workflow_disabled"},
    "steer_backfills": {"backfill_not_ended", "illegal_transition", "not_found"},
    "steer_schedule": {"not_found", "already_past"},
    "start_and_kill": {"attempt_exists", "attempt_finished"},
}


def definition(name: str, project: str = "default", **more: Any) -> dict[str, Any]:
    executor = {"type": "http", "url": "https://t.example/"}
    return {"name": name, "project": project, "executor": executor, "schedule": {"minutes_interval>": 1}, **more}


class Crowd:
    """One method for each who writes. `refused` is what they were told instead."""

    def __init__(self, pool: Pool, rounds: int, seed: int) -> None:
        self.pool, self.rounds, self.chance = pool, rounds, Random(seed)
        self.clock = FakeClock()
        self.refused: dict[str, set[str]] = defaultdict(set)
        self.said: dict[str, list[Any]] = {"timeout_seconds": [], "credits_per_entity": []}
        control, rules = FakeControl(), DefinitionRules(("http",))
        self.workflows = WorkflowOperations(pool, self.clock, rules)
        self.projects = ProjectOperations(pool, self.clock, lambda: rules)
        self.schedules = ScheduleOperations(pool, self.clock)
        self.runs = maker(pool, self.clock, control)
        self.backfills = make_operations(pool, self.clock, control)
        self.attempts = AttemptOperations(
            pool, BackfillKiller(pool, control, self.clock), self.clock, most_unfinished=10_000
        )
        self.firing = Firing(pool, self.clock, Bus(), most_unfinished=10_000)
        self._numbers = count(1)

    async def at_once(self) -> None:
        self.workflow = await self.workflows.create(
            WorkflowDefinition.model_validate(definition("w")), Actor.local("cli")
        )
        people = [
            self.reschedule, lambda: self.edit("timeout_seconds"), lambda: self.edit("credits_per_entity"),
            self.push, self.push, self.delete_project, self.come_and_go, self.sync,
            self.backfill, self.backfill, self.steer_backfills, self.steer_schedule, self.start_and_kill,
            self.fire, self.fire,
        ]  # fmt: skip
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(self._again_and_again(one) for one in people))

    async def _again_and_again(self, one: Callable[[], Awaitable[None]]) -> None:
        for _ in range(self.rounds):
            try:
                await one()
            except BackfilldError as problem:
                self.refused[one.__name__].add(problem.code)

    async def reschedule(self) -> None:
        every = self.chance.choice([1, 2, 3, None])
        await self.workflows.patch(
            self.workflow.id, {"schedule": every and {"minutes_interval>": every}}, Actor.local("reschedule")
        )

    async def edit(self, field: str) -> None:
        self.said[field].append(next(self._numbers))
        await self.workflows.patch(self.workflow.id, {field: self.said[field][-1]}, Actor.local(field))

    async def push(self) -> None:
        files = {name: DIG.format(self.chance.randint(1, 3)) for name in self.chance.sample(["a.dig", "b.dig"], 2)}
        if self.chance.random() < 0.3:
            files.popitem()
        await self.projects.push(ANNA, PushRequest("p", f"r{next(self._numbers)}", packed(files)))

    async def delete_project(self) -> None:
        id = await self.pool.fetchval("SELECT id FROM projects WHERE name = 'p' AND deleted_at IS NULL")
        await asyncio.sleep(self.chance.uniform(0, 0.02))
        await self.projects.delete(ANNA, id or 0)

    async def come_and_go(self) -> None:
        """A workflow of the API's in the project that others push and delete."""
        made = await self.workflows.create(WorkflowDefinition.model_validate(definition("x", "p")), Actor.local("cli"))
        await asyncio.sleep(self.chance.uniform(0, 0.02))
        await self.workflows.delete(made.id, Actor.local("cli"))

    async def sync(self) -> None:
        """Two files that disagree, as of two daemons."""
        names = self.chance.choice([["f", "g"], ["g", "h"], ["h", "f"]])
        await self.workflows.sync_config(definition(name) for name in names)

    async def backfill(self) -> None:
        name, since = f"again {next(self._numbers)}", self.clock.now() - timedelta(minutes=self.chance.randint(1, 30))
        await self.runs.run(ANNA, await self._any_schedule(), ScheduleBackfillRequest(
            False, since, name, advance_schedule=self.chance.random() < 0.3
        ))  # fmt: skip

    async def steer_backfills(self) -> None:
        id = await self.pool.fetchval("SELECT id FROM backfills WHERE deleted_at IS NULL ORDER BY random() LIMIT 1")
        if id is not None:
            verb = self.chance.choice(["pause", "resume", "cancel", "delete"])
            await getattr(self.backfills.steering, verb)(ANNA, id)

    async def steer_schedule(self) -> None:
        id = await self._any_schedule()
        await self.schedules.disable(ANNA, id)
        await self.schedules.enable(ANNA, id, skip_schedule=self.chance.random() < 0.5)
        await self.schedules.skip(ANNA, id, from_time=self.clock.now(), count=2, dry_run=False)

    async def start_and_kill(self) -> None:
        at = self.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=self.chance.randint(-5, 5))
        made = await self.attempts.start(ANNA, workflow_id=self.workflow.id, session_time=at)
        await self.attempts.kill(ANNA, made.id)

    async def fire(self) -> None:
        self.clock.set(self.clock.now() + timedelta(minutes=1))
        await self.firing.tick()

    async def _any_schedule(self) -> int:
        found = await self.pool.fetchval("SELECT id FROM schedules ORDER BY random() LIMIT 1")
        return int(found or 0)


TWICE = """
SELECT count(*) FROM (
    SELECT session_id FROM attempts WHERE created_by LIKE 'schedule:%' GROUP BY session_id HAVING count(*) > 1) AS twice
"""
ALIVE_IN_THE_DEAD = """
SELECT count(*) FROM workflows AS w JOIN projects AS p ON p.id = w.project_id
 WHERE w.deleted_at IS NULL AND p.deleted_at IS NOT NULL
"""
ORPHANS = (
    "SELECT count(*) FROM schedules AS s JOIN workflows AS w ON w.id = s.workflow_id WHERE w.deleted_at IS NOT NULL"
)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
EDITS = "SELECT old, new FROM audit_log WHERE actor = $1 AND action = 'workflow.edit' ORDER BY id"


async def edits(pool: Pool, field: str) -> tuple[list[Any], list[Any]]:
    """What each edit of a field found, and what it left there."""
    rows = await pool.fetch(EDITS, field)
    return [orjson.loads(row["old"])[field] for row in rows], [orjson.loads(row["new"])[field] for row in rows]


@pytest.mark.parametrize("rounds", [8, pytest.param(60, marks=pytest.mark.slow)])
async def test_whoever_writes_at_once_loses_nothing_and_nobody_is_told_of_a_deadlock(dsn: str, rounds: int) -> None:
    async with await open_pool(dsn, size=16) as pool:
        crowd = Crowd(pool, rounds, seed=rounds)
        await crowd.at_once()
        found = await crowd.workflows.get(crowd.workflow.id)
        edited = {field: await edits(pool, field) for field in crowd.said}
        wrong = [await pool.fetchval(query) for query in (TWICE, ALIVE_IN_THE_DEAD, ORPHANS, DEADLOCKS)]

    for field, said in crowd.said.items():
        assert said[-1] == found.definition[field]
        assert (said[:-1], said) == (edited[field][0][1:], edited[field][1])  # each found what the last one left
    assert [0, 0, 0, 0] == wrong
    assert {} == {who: said for who, told in crowd.refused.items() if (said := told - MAY_BE_TOLD.get(who, set()))}
