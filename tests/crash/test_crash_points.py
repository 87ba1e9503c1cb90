"""The daemon dies at each instant that has a name, and nobody can tell afterwards but by the clock.

Each test leads the real process to one point, where it kills itself, starts it again, and asks for the whole
account: every item one outcome, counters, keys, repeats, the audit trail, and whatever was asked for is either
in force as a whole or was never asked. `BACKFILLD_CRASH_AT=pause.after_commit backfilld serve` does the same.
"""

from datetime import UTC, datetime, timedelta

import pytest
from tests.crash.mortal import ENTITIES, MAX_IN_FLIGHT, Mortal, points
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.client import ApiError
from backfilld.crash_points import Point

SEVERAL_PAGES = [f"P{number:05}" for number in range(10_500)]


@pytest.fixture
def mortal(daemon, target, dsn, point) -> Mortal:
    return Mortal(daemon, target, dsn, point)


@points(Point.JANITOR_PIECE_REMOVED)
async def test_it_says_first_that_it_is_going_to_kill_itself(mortal):
    await mortal.start(mortal.point, passes=1000)
    first, *_ = mortal.daemon.events()

    assert ("critical", str(mortal.point), 1000) == (first["level"], first["point"], first["passes"])
    assert "BACKFILLD_CRASH_AT is set: this process is going to kill itself" == first["event"]


# On its way

ON_ITS_WAY = (
    Point.RECORDER_AFTER_COMMIT,
    Point.LEASE_BEFORE_TAKING,
    Point.LEASE_TAKEN,
    Point.LEASE_BEFORE_RENEWAL,
    Point.LEASE_RENEWED,
    Point.LEASE_BEFORE_RELEASE,
    Point.LEASE_RELEASED,
    Point.READER_PLAN_READ,
    Point.GATE_SENT,
    Point.TRY_ENDED,
    Point.RECORDER_BEFORE_COMMIT,
    Point.END_BEFORE_COMMIT,
    Point.END_AFTER_COMMIT,
)


@points(Point.GATE_PASSED, slow=ON_ITS_WAY)
async def test_a_backfill_on_its_way(mortal):
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    await mortal.is_cut_off(mortal.create())
    await mortal.lives_again()
    id = await mortal.create()
    await mortal.assert_nothing_lost(id, status="completed")

    assert {200, None} >= {call.status for call in mortal.target.calls}
    assert 0 == await mortal.interrupted_tries()


@points(slow=(Point.GATE_SENT, Point.RECORDER_AFTER_COMMIT))
async def test_again_and_again_in_full_swing(mortal):
    first, then = (40, 20) if mortal.point is Point.GATE_SENT else (4, 3)  # a commit is for many items
    await mortal.start(mortal.point, passes=first)
    await mortal.daemon.upload(ENTITIES)
    await mortal.is_cut_off(mortal.create())
    for passes in (3, then):  # one at a time at first, then with others
        await mortal.dies()
        await mortal.start(mortal.point, passes=passes)
    await mortal.lives_again()
    id = await mortal.create()
    await mortal.assert_nothing_lost(id, status="completed")


@points(slow=(Point.RECORDER_BETWEEN, Point.READER_RETRIES_READ))
async def test_items_that_are_tried_again(mortal):
    mortal.target.script = lambda call: Reply(500 if call.attempt == 1 and call.entity_id.endswith("7") else 200, 0.005)
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    await mortal.is_cut_off(mortal.create())
    await mortal.lives_again()
    id = await mortal.create()
    await mortal.assert_nothing_lost(id, status="completed")

    assert len(ENTITIES) // 10 == await mortal.count("SELECT count(*) FROM tries")


# Creating and planning


@points(Point.CREATE_AFTER_COMMIT, slow=(Point.CREATE_BEFORE_COMMIT,))
async def test_what_was_being_created_is_there_as_a_whole_or_not_at_all(mortal):
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    cut_off = await mortal.is_cut_off(mortal.create())
    await mortal.lives_again()
    there = [one["id"] async for one in mortal.daemon.client.every("backfills", "/backfills")]
    id = await mortal.create()
    await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off
    assert there == ([id] if mortal.point is Point.CREATE_AFTER_COMMIT else [])


@points(slow=(Point.PLANNER_PAGE_BEFORE_COMMIT, Point.PLANNER_PAGE_AFTER_COMMIT))
async def test_a_plan_page_by_page(mortal):
    await mortal.start(mortal.point)
    await mortal.daemon.upload(SEVERAL_PAGES)
    await mortal.is_cut_off(mortal.create(start="when_approved"))
    await mortal.dies()
    planned = await mortal.count("SELECT count(*) FROM plan_items")
    await mortal.start()
    id = await mortal.create(start="when_approved")
    await assert_planned_and_cancelled(mortal, id)

    assert planned == (10_000 if mortal.point is Point.PLANNER_PAGE_AFTER_COMMIT else 0)


@points(slow=(Point.PLANNER_FREEZE_BEFORE_COMMIT, Point.PLANNER_FREEZE_AFTER_COMMIT))
async def test_a_plan_that_is_being_put_in_order(mortal):
    settings = {"start": "when_approved", "order": "newest_first", "sample_size": 10}
    await mortal.start(mortal.point)
    await mortal.daemon.upload(SEVERAL_PAGES)
    await mortal.is_cut_off(mortal.create(**settings))
    await mortal.dies()
    planned = await mortal.count("SELECT count(*) FROM plan_items")
    await mortal.start()
    id = await mortal.create(**settings)
    await assert_planned_and_cancelled(mortal, id)

    assert planned == (len(SEVERAL_PAGES) if mortal.point is Point.PLANNER_FREEZE_AFTER_COMMIT else 0)
    assert 0 == await mortal.count("SELECT count(*) FROM plan_drafts")
    assert 10 == await mortal.count("SELECT count(*) FROM sample_items")


async def assert_planned_and_cancelled(mortal, id):
    """Everything is in the plan, once; nothing of it was started."""
    await eventually(lambda: stands(mortal, id, "paused"), seconds=30)
    await mortal.daemon.client.cancel_backfill(id)
    await mortal.assert_nothing_lost(id, status="cancelled", planned=len(SEVERAL_PAGES))

    assert [] == mortal.target.calls


async def stands(mortal, id, status):
    return status == await mortal.status(id)


# Taking over


ALONE = (Point.ALONE_BEFORE_START, Point.ALONE_COMMITTED, Point.ALONE_BEFORE_END, Point.ALONE_ENDED)


@points(slow=ALONE)
async def test_an_item_that_stands_alone(mortal):
    await mortal.start()
    id = await mortal.under_way()
    await mortal.kill()
    await mortal.start(mortal.point)
    await mortal.lives_again()
    await mortal.assert_nothing_lost(id, status="completed")

    assert (1 if mortal.point is Point.ALONE_COMMITTED else 0) == await mortal.interrupted_tries()


@points(slow=(Point.CHARGE_BEFORE_COMMIT, Point.CHARGE_AFTER_COMMIT))
async def test_an_item_is_charged_once_for_one_death(mortal):
    await mortal.start()
    id = await mortal.under_way()
    await mortal.kill()
    await mortal.start(Point.ALONE_COMMITTED)
    await mortal.dies()
    await mortal.start(mortal.point)
    await mortal.dies()
    charged = await mortal.count("SELECT coalesce(sum(interruptions), 0) FROM retries")
    await mortal.start()
    await mortal.assert_nothing_lost(id, status="completed")

    assert charged == (1 if mortal.point is Point.CHARGE_AFTER_COMMIT else 0)
    assert 1 == await mortal.interrupted_tries()


# Steering


@points(Point.PAUSE_AFTER_COMMIT, slow=(Point.PAUSE_BEFORE_COMMIT, Point.PAUSE_CONFIRMED))
async def test_a_pause_is_in_force_or_was_never_asked_for(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    cut_off = await mortal.is_cut_off(mortal.daemon.client.pause_backfill(id))
    await mortal.lives_again()
    paused = await stands(mortal, id, "paused")
    quiet = await mortal.starts_nothing() if paused else True
    await mortal.daemon.client.resume_backfill(id)
    told = await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off
    assert paused is (mortal.point is not Point.PAUSE_BEFORE_COMMIT)
    assert quiet
    assert paused == told["backfill.pause"] == told["backfill.resume"]


@points(slow=(Point.PAUSE_END_BEFORE_COMMIT, Point.PAUSE_END_AFTER_COMMIT))
async def test_a_pause_until_ends_once_whoever_dies_over_it(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    until = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    await mortal.daemon.client.pause_backfill(id, until=until)
    await mortal.lives_again()
    told = await mortal.assert_nothing_lost(id, status="completed")

    assert 1 == told["backfill.pause"] == told["backfill.resume"]


@points(slow=(Point.OVERRIDE_BEFORE_COMMIT, Point.OVERRIDE_AFTER_COMMIT, Point.OVERRIDE_CONFIRMED))
async def test_an_override_is_in_force_or_was_never_asked_for(mortal):
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    now = datetime.now(UTC)
    day = f"{now - timedelta(days=2):%A}".lower()
    windows = {day: [{"run_start_time": "00:00", "run_end_time": "00:01"}]}
    id = await mortal.create(daily_execution_windows=windows)
    await eventually(lambda: stands(mortal, id, "waiting"), seconds=30)
    until = (now + timedelta(hours=1)).isoformat()
    cut_off = await mortal.is_cut_off(mortal.daemon.client.override_windows(id, until))
    await mortal.lives_again()
    is_open = (await mortal.daemon.backfill(id))["window"]["open"]
    await mortal.daemon.client.override_windows(id, until)
    told = await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off
    assert is_open is (mortal.point is not Point.OVERRIDE_BEFORE_COMMIT)
    assert 1 == told["backfill.override"]


@points(slow=(Point.TRY_NOW_BEFORE_COMMIT, Point.TRY_NOW_AFTER_COMMIT))
async def test_a_target_that_was_to_be_asked_at_once_is_asked_after_the_death_at_the_latest(mortal):
    mortal.target.script = lambda _: Reply(401)
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    id = await mortal.create()
    await eventually(lambda: refuses(mortal, id), seconds=30)
    cut_off = await mortal.is_cut_off(mortal.daemon.client.try_now(id))
    await mortal.dies()
    mortal.target.script = lambda _: Reply()
    await mortal.start()
    await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off


async def refuses(mortal, id):
    reason = (await mortal.daemon.backfill(id))["status_reason"]
    return reason is not None and reason["code"] == "target_refuses"


@points(Point.EDIT_AFTER_COMMIT, slow=(Point.EDIT_BEFORE_COMMIT, Point.EDIT_CONFIRMED))
async def test_other_settings_are_in_force_before_the_first_start_or_were_never_asked_for(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    cut_off = await mortal.is_cut_off(mortal.daemon.client.edit_backfill(id, {"max_in_flight": 1, "max_attempts": 7}))
    await mortal.dies()
    before = len(mortal.target.calls)
    mortal.target.script = lambda _: Reply(seconds=0.004)  # one after the other
    await mortal.start()
    shown = await mortal.daemon.backfill(id)
    told = await mortal.assert_nothing_lost(id, status="completed")
    is_changed = mortal.point is not Point.EDIT_BEFORE_COMMIT

    assert cut_off
    assert (1, 7) == (shown["max_in_flight"], shown["max_attempts"]) or not is_changed
    assert is_changed is (shown["max_in_flight"] == 1) is bool(told["backfill.change"])
    assert not is_changed or all(call.live == 1 for call in mortal.target.calls[before:])


@points(slow=(Point.RESUME_BEFORE_COMMIT, Point.RESUME_AFTER_COMMIT))
async def test_a_resume_is_in_force_or_was_never_asked_for(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    await mortal.daemon.client.pause_backfill(id)
    cut_off = await mortal.is_cut_off(mortal.daemon.client.resume_backfill(id))
    await mortal.lives_again()
    resumed = not await stands(mortal, id, "paused")
    quiet = True if resumed else await mortal.starts_nothing()
    await mortal.daemon.client.resume_backfill(id)
    told = await mortal.assert_nothing_lost(id, status="completed")

    assert cut_off
    assert resumed is (mortal.point is Point.RESUME_AFTER_COMMIT)
    assert quiet
    assert 1 == told["backfill.resume"]


@points(slow=(Point.CANCEL_BEFORE_COMMIT, Point.CANCEL_AFTER_COMMIT, Point.CANCEL_CONFIRMED))
async def test_a_cancel_is_in_force_or_was_never_asked_for(mortal):
    mortal.target.script = lambda _: Reply(seconds=0.1)  # what is in flight keeps it from being over at once
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    cut_off = await mortal.is_cut_off(mortal.daemon.client.cancel_backfill(id))
    await mortal.dies()
    came_before = len(mortal.target.calls)
    mortal.target.script = lambda _: Reply(seconds=0.01)
    await mortal.start()
    cancelled = mortal.point is not Point.CANCEL_BEFORE_COMMIT
    told = await mortal.assert_nothing_lost(id, status="cancelled" if cancelled else "completed")

    assert cut_off
    assert cancelled == told["backfill.cancel"]
    assert cancelled == (came_before == len(mortal.target.calls))  # no later life starts anything


@points(slow=(Point.STOP_HEARD, Point.STOP_ACKNOWLEDGED))
@pytest.mark.parametrize("wish", ["pause", "cancel"])
async def test_a_wish_that_the_owner_had_heard_of_is_in_force(mortal, wish):
    mortal.target.script = lambda _: Reply(seconds=0.1)  # what is in flight keeps a cancel from being over at once
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    client = mortal.daemon.client
    await mortal.is_cut_off(client.pause_backfill(id) if wish == "pause" else client.cancel_backfill(id))
    await mortal.dies()  # before the answer or behind it: both hurry
    came_before = len(mortal.target.calls)
    mortal.target.script = lambda _: Reply(seconds=0.01)
    await mortal.start()
    quiet = await mortal.starts_nothing()
    came_later = len(mortal.target.calls) - came_before
    if wish == "pause":
        await mortal.daemon.client.resume_backfill(id)
    told = await mortal.assert_nothing_lost(id, status="completed" if wish == "pause" else "cancelled")

    assert (True, 0) == (quiet, came_later)
    assert 1 == told[f"backfill.{wish}"]


@points(slow=(Point.CANCEL_REST_BEFORE_COMMIT, Point.CANCEL_REST_AFTER_COMMIT))
async def test_a_cancel_that_was_answered_is_carried_out_by_the_next_life(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    await mortal.is_cut_off(mortal.daemon.client.cancel_backfill(id))
    await mortal.dies()
    came_before = len(mortal.target.calls)
    await mortal.start()
    told = await mortal.assert_nothing_lost(id, status="cancelled")

    assert 1 == told["backfill.cancel"]
    assert came_before == len(mortal.target.calls)


@points(slow=(Point.CANCEL_REST_BEFORE_COMMIT, Point.CANCEL_REST_AFTER_COMMIT))
async def test_a_cancel_of_many_writes_no_row_of_what_never_started(mortal):
    many = [f"{number:05}" for number in range(50_100)]
    await mortal.start(mortal.point)
    id = await mortal.create(entity_type="none", entity_ids=many)
    await eventually(lambda: mortal.target.calls, seconds=60)
    await mortal.is_cut_off(mortal.daemon.client.cancel_backfill(id))
    await mortal.dies()
    came_before = len(mortal.target.calls)
    await mortal.start()
    ended = await mortal.daemon.ends(id)

    assert "cancelled" == ended["status"]
    assert len(many) == ended["cancelled_count"] + ended["succeeded_count"]
    assert ended["succeeded_count"] == await mortal.count("SELECT count(*) FROM outcomes WHERE started_at IS NOT NULL")
    assert 1_000 > await mortal.count("SELECT count(*) FROM outcomes")
    assert came_before == len(mortal.target.calls)


# Everything at once


@points(slow=(Point.STOP_ALL_BEFORE_COMMIT, Point.STOP_ALL_AFTER_COMMIT, Point.STOP_ALL_CONFIRMED))
async def test_stop_all_is_in_force_or_was_never_asked_for(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    cut_off = await mortal.is_cut_off(mortal.daemon.client.stop_all(reason="fire"))
    stopped = await is_stopped_in_its_next_life(mortal, id)

    assert cut_off
    assert stopped is (mortal.point is not Point.STOP_ALL_BEFORE_COMMIT)
    assert stopped == await mortal.count("SELECT count(*) FROM audit_log WHERE action = 'daemon.stop_all'")


@points(slow=(Point.START_ALL_BEFORE_COMMIT, Point.START_ALL_AFTER_COMMIT))
async def test_start_all_is_in_force_or_was_never_asked_for(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    await mortal.daemon.client.stop_all(reason="fire")
    cut_off = await mortal.is_cut_off(mortal.daemon.client.start_all())
    stopped = await is_stopped_in_its_next_life(mortal, id)

    assert cut_off
    assert stopped is (mortal.point is Point.START_ALL_BEFORE_COMMIT)
    assert 1 == await mortal.count("SELECT count(*) FROM audit_log WHERE action = 'daemon.start_all'")


async def is_stopped_in_its_next_life(mortal, id):
    """Whether everything is stopped, which then is true of the target as well; afterwards the backfill has ended."""
    await mortal.lives_again()
    stopped = await is_stopped(mortal)
    quiet = await mortal.starts_nothing() if stopped else True
    await mortal.daemon.client.start_all()
    await mortal.assert_nothing_lost(id, status="completed")

    assert quiet
    return stopped


async def is_stopped(mortal):
    return (await mortal.daemon.get("/readyz"))[1]["stopped_since"] is not None


# Afterwards


@points(slow=(Point.REMEMBER_BEFORE_COMMIT, Point.REMEMBER_AFTER_COMMIT))
async def test_what_became_of_entities_is_remembered_once(mortal):
    await mortal.start()
    id = await mortal.under_way()
    await mortal.assert_nothing_lost(id, status="completed")
    await mortal.kill()
    await mortal.start(mortal.point)  # the first thing that the janitor does
    await mortal.lives_again()
    again = await mortal.daemon.create(reprocess_behavior="none", max_in_flight=MAX_IN_FLIGHT)
    ended = await mortal.daemon.ends(again)

    assert ("completed", len(ENTITIES)) == (ended["status"], ended["skipped_count"])
    assert len(ENTITIES) == await mortal.count("SELECT count(*) FROM last_runs WHERE status = 'succeeded'")


@points(slow=(Point.DELETE_BEFORE_COMMIT, Point.DELETE_AFTER_COMMIT))
async def test_a_deletion_happened_or_was_never_asked_for(mortal):
    await mortal.start(mortal.point)
    id = await mortal.under_way()
    await mortal.assert_nothing_lost(id, status="completed")
    cut_off = await mortal.is_cut_off(mortal.daemon.client.delete_backfill(id))
    await mortal.lives_again()
    gone = await is_gone(mortal, id)

    assert cut_off
    assert gone is (mortal.point is Point.DELETE_AFTER_COMMIT)
    assert gone == await mortal.count("SELECT count(*) FROM audit_log WHERE action = 'backfill.delete'")


async def is_gone(mortal, id):
    try:
        await mortal.daemon.backfill(id)
    except ApiError as problem:
        return 404 == problem.status
    return False


@points(slow=(Point.JANITOR_PIECE_REMOVED, Point.DIGEST_BEFORE_COMMIT))
async def test_what_was_deleted_goes_in_the_end_and_what_it_taught_stays(mortal):
    await mortal.start()
    id = await mortal.under_way()
    await mortal.daemon.ends(id)
    await mortal.daemon.client.delete_backfill(id)
    await mortal.kill()
    await mortal.start(mortal.point)
    await mortal.lives_again()
    await eventually(lambda: is_empty(mortal), seconds=30)

    assert len(ENTITIES) == await mortal.count("SELECT count(*) FROM last_runs WHERE status = 'succeeded'")
    kept = "SELECT count(*) FROM audit_log WHERE action = 'backfill.delete' AND length(old ->> 'ledger_digest') = 64"
    assert 1 == await mortal.count(kept)


async def is_empty(mortal):
    tables = ("backfills", "plan_items", "outcomes", "tries", "retries", "backfill_progress")
    counts = [await mortal.count(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608 - names from above
    return 0 == sum(counts)
