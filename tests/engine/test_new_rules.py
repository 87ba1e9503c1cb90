"""Schedules after the rules of their zones have changed: none of their days is lost, and none comes twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.domain.schedules.schedule_strategies import definitions, schedule
from tests.support.clock import NOON
from tests.support.schedules import make_schedule

from backfilld.bus import Bus
from backfilld.domain.sessions.positions import FINISHED, Position, by_new_rules
from backfilld.engine.schedules.firing import Firing
from backfilld.events import ScheduleMoved

SEVEN = {"daily>": "07:00:00"}
SUMMER, WINTER = "Etc/GMT-2", "Etc/GMT-1"  # of one zone, which keeps one of them for good from now on
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OTHER_RULES = "UPDATE revisions SET definition = jsonb_set(definition::jsonb, '{timezone}', to_jsonb($1::text))"
FIXED = st.integers(-11, 12).map(lambda hours: f"Etc/GMT{hours:+d}" if hours else "Etc/GMT")


def local_day(session, zone):
    return session["session_time"].astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize(("before", "after", "fired"), [(SUMMER, WINTER, 5), (WINTER, SUMMER, 6)])
async def test_each_local_day_fires_once_and_at_seven_by_the_rules_of_that_day(pool, clock, before, after, fired):
    stored = await make_schedule(pool, SEVEN, timezone=before)
    told = []
    bus = Bus()
    bus.listen(told.append)
    clock.set(stored.next_run_at + 2 * DAY)
    await Firing(pool, clock, bus, most_unfinished=100).tick()
    await pool.execute(OTHER_RULES, after)
    clock.set(clock.now() + 3 * DAY)
    await Firing(pool, clock, bus, most_unfinished=100).tick()
    sessions = await pool.fetch("SELECT session_time FROM sessions ORDER BY session_time")
    days = [local_day(one, before) for one in sessions[:3]] + [local_day(one, after) for one in sessions[3:]]
    (moved,) = [event for event in told if isinstance(event, ScheduleMoved)]
    (row,) = await pool.fetch("SELECT actor, old, new FROM audit_log WHERE action = 'schedule.new_rules'")

    assert [days[0] + n * DAY for n in range(len(days))] == days
    assert fired == len(days)  # the sixth is due an hour later, or an hour ago
    assert HOUR == abs(moved.session_time - moved.stood_at)
    assert "system" == row["actor"]
    assert orjson.loads(row["old"]) != orjson.loads(row["new"])


async def test_what_was_put_off_keeps_its_run_time(pool, clock):
    stored = await make_schedule(pool, SEVEN, timezone=SUMMER)
    put_off = stored.next_run_at + 5 * HOUR
    await pool.execute("UPDATE schedules SET next_run_at = $1", put_off)
    await pool.execute(OTHER_RULES, WINTER)
    await Firing(pool, clock, Bus(), most_unfinished=100).tick()
    row = await pool.fetchrow("SELECT next_session_at, next_run_at FROM schedules")

    assert (stored.next_session_at + HOUR, put_off) == tuple(row)


async def test_by_the_same_rules_nothing_moves(pool, clock):
    stored = await make_schedule(pool, SEVEN, timezone="Europe/Berlin")
    await Firing(pool, clock, Bus(), most_unfinished=100).tick()

    assert stored.next_session_at == await pool.fetchval("SELECT next_session_at FROM schedules")
    assert 0 == await pool.fetchval("SELECT count(*) FROM audit_log")


@given(definition=definitions(), before=FIXED, after=FIXED, fired=st.booleans())
def test_it_stands_at_a_slot_behind_what_was_fired_and_at_the_nearest(definition, before, after, fired):
    old, new = schedule(definition, before), schedule(definition, after)
    last, stood = old.first(NOON), old.next(old.first(NOON).session_time)
    fired_at = last.session_time if fired else None
    position = Position(1, stood.session_time, stood.run_time, fired_at, None)
    moved = by_new_rules(new, position)
    assume(moved is not None)
    nearest = min(new.previous(stood.session_time), new.next(stood.session_time),
                  key=lambda slot: abs(slot.session_time - stood.session_time))  # fmt: skip

    assert new.stands_at(moved.next_session_at)
    assert moved.next_session_at > (fired_at or datetime.min.replace(tzinfo=UTC))
    assert nearest.session_time in (moved.next_session_at, nearest.session_time if fired else None)
    assert by_new_rules(new, moved) is None


def test_what_is_over_stays_over():
    position = Position(1, FINISHED.session_time, FINISHED.run_time, NOON, None)

    assert by_new_rules(schedule(SEVEN, SUMMER), position) is None
