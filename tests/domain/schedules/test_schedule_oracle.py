"""The rule for clock changes once more, said the slow way: every minute of every local day is looked at by itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile

from hypothesis import given, settings
from tests.domain.schedules.schedule_strategies import Situation, crons, situations
from tests.support.examples import examples

from backfilld.domain.schedules.patterns import WallPattern

DAYS = 3  # a day more than it seems, where one is left out
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # readings of a wall clock have no zone


def shows(pattern: WallPattern, wall: datetime) -> bool:
    return pattern.matches(int((wall - EPOCH).total_seconds()))


def instants(wall: datetime, zone: tzinfo) -> list[datetime]:
    """When the clocks of the zone show `wall`: never, once or twice."""
    either = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in either if at.astimezone(zone).replace(tzinfo=None) == wall)


def meant(pattern: WallPattern, wall: datetime, zone: tzinfo) -> list[datetime]:
    """The sessions that this reading stands for."""
    found = instants(wall, zone)
    if found:
        return found if pattern.every_hour else found[-1:]
    later = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)  # as if the clock had not been changed yet
    shown = later.astimezone(zone).replace(tzinfo=None)
    if shown - wall >= timedelta(days=1) or (pattern.every_hour and shows(pattern, shown)):
        return []
    return [later]


def sessions(pattern: WallPattern, zone: tzinfo, around: datetime) -> Iterator[datetime]:
    first = around.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    for minute in range(-DAYS * 1440, DAYS * 1440):
        wall = first + timedelta(minutes=minute)
        if shows(pattern, wall):
            yield from meant(pattern, wall, zone)


@settings(max_examples=examples(25), deadline=None)
@given(situations(of=crons().map(lambda text: {"cron>": text})))
def test_sessions_around_a_clock_change_are_those_of_the_rule(situation: Situation) -> None:
    schedule = situation.schedule
    pattern = schedule.rhythm[0]  # type: ignore[index]  # cron text without alternatives it is
    since, until = situation.at - timedelta(days=1), situation.at + timedelta(days=1)
    expected = {at for at in sessions(pattern, schedule.zone, situation.at) if since < at < until}
    following = (slot.session_time for slot in schedule.since(schedule.next(since)))

    assert sorted(expected) == list(takewhile(lambda at: at < until, following))
