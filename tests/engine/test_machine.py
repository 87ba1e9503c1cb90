"""A model and the real engine, side by side: people, targets, clocks, kills and cuts in any order that chance finds.

The steps are hypothesis's, so that one that fails is told as a program that can be run again; `whole.py` has the model.
"""

import math
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.engine.machines import *  # noqa: F403 - fixtures
from tests.engine.machines import PLAIN, MachineOfTwo
from tests.engine.whole import MOODS, Known
from tests.engine.whole_limits import LIMITS
from tests.engine.whole_steering import EDITS, Steered
from tests.support.all_routes import all_routes
from tests.support.wire import Wire

from backfilld.api.public.backfills.bodies import CHANGEABLE, CreateBackfill
from backfilld.api.public.backfills.routes import PATH
from backfilld.store.connection.pool import Pool

MOST_BACKFILLS = 4
EDITED_TOGETHER = {"max_in_flight", "max_attempts", "daily_execution_windows"}  # by the rule `edit`
# What may be chosen of a new backfill, and no rule of the machine chooses: with the reason.
LEFT_OUT = {
    "entity_type": "there is one source", "filter_spec": "one filter; what matches it changes",
    "target_workflow_id": "each has a workflow of its own", "total_estimated": "kept as sent, and compared once",
    "reason": "said, not obeyed", "params": "handed on", "rehearsal": "handed on",
    "entity_ids": "children of a rerun are given theirs", "order": "tests/engine/test_planning.py",
    "reprocess_behavior": "children of a rerun take all; test_planning.py",
}  # fmt: skip
any_of_them = st.integers(0, MOST_BACKFILLS - 1)


class Machine(MachineOfTwo):
    """Of backfills over entities."""

    whole: Steered

    async def make(self, pool: Pool, wires: list[Wire], seed: int) -> None:
        self.whole = Steered(pool, wires)
        self.whole.chance.seed(seed)
        await self.whole.launch()
        await self.whole.create(max_in_flight=2, recheck=True)

    def one(self, number: int) -> Known:
        known = list(self.whole.known.values())
        return known[number % len(known)]

    @rule(
        max_in_flight=st.integers(1, 4),
        max_attempts=st.integers(1, 3),
        sample=st.sampled_from([None, None, 3]),
        limit=st.sampled_from(sorted(LIMITS)),
        recheck=st.booleans(),
    )
    def create(self, max_in_flight: int, max_attempts: int, sample: int | None, limit: str, recheck: bool) -> None:
        if self.began and len(self.whole.known) < MOST_BACKFILLS:
            wish = self.whole.create(
                max_in_flight=max_in_flight,
                max_attempts=max_attempts,
                sample_size=sample,
                recheck=recheck,
                **LIMITS[limit],
            )
            self.run(wish)

    @rule(number=any_of_them, hours=st.sampled_from([None, None, 0.25, 5.0]))
    def pause(self, number: int, hours: float | None) -> None:
        if self.began:
            self.run(self.whole.pause(self.one(number), hours))

    @rule(number=any_of_them)
    def resume(self, number: int) -> None:
        if self.began:
            self.run(self.whole.resume(self.one(number)))

    @rule(number=any_of_them, in_flight=st.sampled_from(["drain", "cancel"]))
    def cancel(self, number: int, in_flight: str) -> None:
        if self.began:
            self.run(self.whole.cancel(self.one(number), in_flight))

    @rule(number=any_of_them, most=st.integers(1, 4), attempts=st.integers(1, 3), always=st.booleans())
    def edit(self, number: int, most: int, attempts: int, always: bool) -> None:
        if self.began:
            self.run(self.whole.edit(self.one(number), most, attempts, always))

    @rule(number=any_of_them, hours=st.sampled_from([None, 0.5, 9.0]))
    def override(self, number: int, hours: float | None) -> None:
        if self.began:
            one = self.one(number)
            self.run(self.whole.end_override(one) if hours is None else self.whole.override(one, hours))

    @rule(number=any_of_them, name=st.sampled_from(sorted(EDITS)))
    def edit_a_limit(self, number: int, name: str) -> None:
        if self.began:
            self.run(self.whole.edit_one(self.one(number), name))

    @rule(number=any_of_them)
    def try_now(self, number: int) -> None:
        if self.began:
            self.run(self.whole.try_now(self.one(number)))

    @rule(number=any_of_them)
    def explain(self, number: int) -> None:
        if self.began:
            self.run(self.whole.explain(self.one(number)))

    @rule(number=any_of_them)
    def clone(self, number: int) -> None:
        if self.began and len(self.whole.known) < MOST_BACKFILLS:
            self.run(self.whole.clone(self.one(number)))

    @rule(
        number=any_of_them,
        status=st.sampled_from(["failed", "failed", "succeeded", "skipped", "cancelled"]),
        by=st.sampled_from(["status", "class", "group"]),
    )
    def rerun(self, number: int, status: str, by: str) -> None:
        if self.began and len(self.whole.known) < MOST_BACKFILLS:
            self.run(self.whole.rerun_some(self.one(number), status, by))

    @rule(apart=st.sampled_from([0.0, 0.01, 0.03]))
    def budget_of_the_target(self, apart: float) -> None:
        if self.began:
            self.whole.budget(apart)

    @rule()
    def stop_all(self) -> None:
        if self.began:
            self.run(self.whole.stop_all())

    @rule()
    def start_all(self) -> None:
        if self.began:
            self.run(self.whole.start_all())

    @rule()
    def tell_of_it(self) -> None:
        if self.began:
            self.run(self.whole.tell())

    @rule(number=any_of_them)
    def rerun_failed(self, number: int) -> None:
        if self.began and len(self.whole.known) < MOST_BACKFILLS:
            self.run(self.whole.rerun(self.one(number)))

    @rule(number=any_of_them)
    def delete(self, number: int) -> None:
        if self.began:
            self.run(self.whole.delete(self.one(number)))

    @rule(hours=st.sampled_from([-9.0, -1.0, -0.5, 0.5, 1.0, 9.0, 24.0]))
    def step_the_clock(self, hours: float) -> None:
        if self.began:
            self.whole.step(hours)

    @rule(mood=st.sampled_from(sorted(MOODS)))
    def change_the_mood_of_the_target(self, mood: str) -> None:
        if self.began:
            self.whole.mood = mood

    @rule()
    def kill_both_and_start_them_again(self) -> None:
        if self.began:
            self.run(self.whole.kill())
            self.run(self.whole.launch())


def verbs_of_backfills() -> set[str]:
    """What may be done to one, or to all, by the names that rules have."""
    paths = {
        (route.method, route.path)
        for route in all_routes()
        if route.method != "GET"
        and route.path.startswith((f"{PATH}/{{id}}", "/public-api/stop-all", "/public-api/start-all"))
    }
    last = {(method, path.rsplit("/", 1)[-1].replace("-", "_")) for method, path in paths}
    return {method.lower() if name == "{id}" else name for method, name in last}


def test_each_verb_is_a_rule_of_the_machine():
    rules = {rule.function.__name__ for rule in Machine.setup_state().rules}

    assert {"pause", "resume", "cancel", "override", "delete", "stop_all"} <= verbs_of_backfills()
    assert set() == verbs_of_backfills() - {"patch"} - rules


def test_each_field_of_a_patch_is_changed_by_the_machine_and_set_back():
    assert set(CHANGEABLE) == set(EDITS) | EDITED_TOGETHER
    assert set() == {name for name, values in EDITS.items() if None not in values or len(values) < 2}


def test_each_setting_of_a_new_backfill_is_chosen_by_the_machine_or_has_a_reason_not_to():
    chosen = {name for limit in LIMITS.values() for name in limit} | EDITED_TOGETHER | set(EDITS) | {"sample_size"}
    body = set(CreateBackfill.model_fields)

    assert set() == body - chosen - set(LEFT_OUT)
    assert set() == set(LEFT_OUT) - body


def test_whatever_happens_the_engine_does_as_the_model_says(small_world):
    chosen = settings(PLAIN, max_examples=5, stateful_step_count=15, derandomize=True)
    run_state_machine_as_test(small_world(Machine, until=math.inf), settings=chosen)


@pytest.mark.slow
def test_whatever_happens_the_engine_does_as_the_model_says_many_times(small_world):
    chosen = settings(PLAIN, max_examples=1_000, stateful_step_count=30)
    run_state_machine_as_test(small_world(Machine, until=time.monotonic() + 60), settings=chosen)
