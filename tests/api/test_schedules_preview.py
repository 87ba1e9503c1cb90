"""The preview of schedules over HTTP."""

from typing import Any

import pytest
from tests.api.conftest import Client, Serve

from backfilld.api.public import schedules

PATH = "/public-api/schedules/preview"
DAILY = {"daily>": "10:00:00"}


@pytest.fixture
async def client(serve: Serve) -> Client:
    return await serve(schedules.routes(), role="viewer")


async def preview(client: Client, schedule: Any = DAILY, **body: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"schedule": schedule} | body)
    assert 200 == answer.status, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def faults(client: Client, **body: Any) -> dict[str, str]:
    answer = await client.post(PATH, json=body)
    assert 422 == answer.status, await answer.text()
    return {fault["path"]: fault["code"] for fault in (await answer.json())["error"]["details"]}


async def test_from_is_compared_with_run_times(client: Client) -> None:
    found = await preview(client, timezone="America/Los_Angeles", count=2, **{"from": "2016-03-13T09:00:00-08:00"})

    assert [
        {
            "session_time": "2016-03-13T08:00:00Z",
            "run_time": "2016-03-13T18:00:00Z",
            "session_time_local": "2016-03-13T00:00:00-08:00",
        },
        {
            "session_time": "2016-03-14T07:00:00Z",
            "run_time": "2016-03-14T17:00:00Z",
            "session_time_local": "2016-03-14T00:00:00-07:00",
        },
    ] == found["data"]["sessions"]
    assert [] == found["meta"]["warnings"]


async def test_after_is_compared_with_session_times(client: Client) -> None:
    found = await preview(client, timezone="+09:00", after="2027-03-01T15:00:00Z", count=1)

    assert ["2027-03-02T15:00:00Z"] == [each["session_time"] for each in found["data"]["sessions"]]
    assert "2027-03-03T00:00:00+09:00" == found["data"]["sessions"][0]["session_time_local"]


async def test_before_goes_backwards(client: Client) -> None:
    weekdays = {"cron>": "0 0 * * 1-5", "start": "2027-03-01"}
    found = await preview(client, weekdays, timezone="UTC", before="2027-03-02T00:00:00Z", count=2)

    assert ["2027-03-01T00:00:00Z", "2027-02-26T00:00:00Z"] == [
        each["session_time"] for each in found["data"]["sessions"]
    ]
    assert 1 == len(found["meta"]["warnings"])


async def test_a_schedule_that_ends_has_fewer_sessions(client: Client) -> None:
    ending = DAILY | {"start": "2027-03-01", "end": "2027-03-02"}
    found = await preview(client, ending, timezone="UTC", **{"from": "2027-01-01T00:00:00Z"})

    assert 2 == len(found["data"]["sessions"])


async def test_left_out_the_zone_is_utc_and_ten_sessions_are_shown(client: Client) -> None:
    found = await preview(client, **{"from": "2027-01-01T00:00:00Z"})

    assert 10 == len(found["data"]["sessions"])
    assert "UTC" in found["meta"]["warnings"][0]


async def test_every_fault_comes_at_once(client: Client) -> None:
    found = await faults(
        client,
        schedule={"cron>": "60 * * * *", "strat": "2027-01-01"},
        timezone="Asia/Tokio",
        count=1001,
        after="2027-01-01",
        before="2027-01-01T00:00:00Z",
        form="2027-01-01T00:00:00Z",
    )

    assert {
        "/schedule/cron>": "invalid_schedule",
        "/schedule/strat": "unknown_field",
        "/timezone": "unknown_timezone",
        "/count": "out_of_range",
        "/after": "invalid_instant",
        "/before": "conflicting",
        "/form": "unknown_field",
    } == found


async def test_one_place_is_needed(client: Client) -> None:
    assert {"": "missing", "/count": "out_of_range"} == await faults(client, schedule=DAILY, count=0)
    assert {"": "missing"} == await faults(client, schedule=DAILY, after=None)


async def test_two_places_are_one_too_many(client: Client) -> None:
    at = "2027-01-01T00:00:00Z"

    assert {"/before": "conflicting"} == await faults(client, schedule=DAILY, after=at, before=at)


async def test_a_misspelt_from_is_answered_with_its_name(client: Client) -> None:
    answer = await client.post(PATH, json={"schedule": DAILY, "form": "x", "after": "2027-01-01T00:00:00Z"})
    details = (await answer.json())["error"]["details"]

    assert "from" == details[0]["allowed"][0]


@pytest.mark.parametrize("place", ["from", "after", "before"])
@pytest.mark.parametrize("at", ["1000-01-01T00:00:00Z", "9000-12-31T23:59:59Z"])
async def test_the_ends_of_time_are_answered(client: Client, place: str, at: str) -> None:
    found = await preview(client, {"minutes_interval>": 7}, timezone="Pacific/Apia", **{place: at})

    assert 10 == len(found["data"]["sessions"])


async def test_the_widest_preview_is_answered(client: Client) -> None:
    found = await preview(client, {"cron>": "* * * * *"}, timezone="UTC", count=1000.0, after="2027-01-01T00:00:00Z")

    assert 1000 == len(found["data"]["sessions"])
