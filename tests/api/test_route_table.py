"""A server that listens before most of its routes are made."""

import asyncio

import pytest

from backfilld.api.framework.route_table import EveryRoute, RouteTable
from backfilld.api.framework.router import Match
from backfilld.api.framework.routing import Reply, Route


async def nothing(asked):
    return Reply()


def route(path: str) -> Route:
    return Route("GET", path, nothing, role=None, summary="", answer=None)


HEALTH, REST = route("/healthz"), route("/rest")


class Making:
    """Makes both routes once it may."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.begun = 0

    async def __call__(self) -> EveryRoute:
        self.begun += 1
        await self.may_end.wait()
        return EveryRoute([HEALTH, REST])


async def test_what_is_there_already_waits_for_nothing():
    table = RouteTable([HEALTH], every=Making())
    found = await table.find("GET", "/healthz")

    assert isinstance(found, Match)
    assert HEALTH is found.route


async def test_what_is_not_there_yet_is_waited_for_and_made_once():
    making = Making()
    table = RouteTable([HEALTH], every=making)
    asking = [asyncio.create_task(table.find("GET", "/rest")) for _ in range(2)]
    await asyncio.sleep(0)
    making.may_end.set()
    found = [await one for one in asking]

    assert [REST, REST] == [one.route for one in found if isinstance(one, Match)]
    assert 1 == making.begun
    assert await table.find("GET", "/elsewhere") is None


async def test_who_goes_away_meanwhile_stops_nothing():
    making = Making()
    table = RouteTable([HEALTH], every=making)
    leaving, staying = (asyncio.create_task(table.find("GET", "/rest")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    making.may_end.set()

    assert isinstance(await staying, Match)
    assert 1 == making.begun


async def test_what_cannot_be_made_is_an_error_for_all_who_need_it():
    async def broken() -> EveryRoute:
        raise ModuleNotFoundError("half of the program is missing")

    table = RouteTable([HEALTH], every=broken)
    for needs_it in (table.complete(), table.find("GET", "/rest")):
        with pytest.raises(ModuleNotFoundError):
            await needs_it

    assert isinstance(await table.find("GET", "/healthz"), Match)
