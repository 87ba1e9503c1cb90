"""The preview of windows over HTTP."""

from datetime import date, timedelta
from typing import Any

import pytest
from tests.api.conftest import Client, Serve
from tests.support.clock import FakeClock

from backfilld.api.public import windows

PATH = "/public-api/windows/preview"


@pytest.fixture
async def client(serve: Serve, clock: FakeClock) -> Client:
    return await serve(windows.routes(clock), role="viewer")


def window(day: str, start: str, end: str) -> dict[str, Any]:
    return {day: [{"run_start_time": start, "run_end_time": end}]}


async def preview(client: Client, **body: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=body)
    assert 200 == answer.status, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_a_night_of_a_clock_change_is_shown_as_it_will_be(client: Client) -> None:
    found = await preview(
        client,
        daily_execution_windows=window("saturday", "22:00", "06:00"),
        timezone="America/New_York",
        at="2027-03-13T12:00:00-05:00",
        days=2,
    )
    data = found["data"]

    assert [
        {
            "opens_at": "2027-03-14T03:00:00Z",
            "closes_at": "2027-03-14T10:00:00Z",
            "opens_at_local": "2027-03-13T22:00:00-05:00",
            "closes_at_local": "2027-03-14T06:00:00-04:00",
        }
    ] == data["intervals"]
    assert (False, "2027-03-14T03:00:00Z", None) == (data["open"], data["next_open_at"], data["closes_at"])
    assert 1 == len(data["notes"])
    assert [] == found["meta"]["warnings"]


async def test_without_an_instant_it_speaks_of_now(client: Client) -> None:
    found = await preview(client, daily_execution_windows=window("monday", "11:00", "24:00"))
    data = found["data"]

    assert (True, "2027-03-02T00:00:00Z", "2027-03-08T11:00:00Z") == (
        data["open"], data["closes_at"], data["next_open_at"],
    )  # fmt: skip
    assert ["2027-03-01T12:00:00Z", "2027-03-08T11:00:00Z"] == [each["opens_at"] for each in data["intervals"]]
    assert "2027-03-08T12:00:00Z" == data["intervals"][-1]["closes_at"]
    assert {"run_start_time": "11:00:00", "run_end_time": "24:00:00"} == data["effective_windows"]["monday"][0]
    assert "UTC" in found["meta"]["warnings"][0]


async def test_windows_that_never_open_are_accepted_with_a_warning(client: Client) -> None:
    mondays = [str(date(2027, 3, 1) + timedelta(weeks=week)) for week in range(60)]
    found = await preview(
        client,
        daily_execution_windows=window("monday", "11:00", "12:00"),
        timezone="UTC",
        excluded_dates=mondays,
    )

    assert [] == found["data"]["intervals"]
    assert ["these windows do not open within 400 days"] == found["meta"]["warnings"]


async def test_every_fault_comes_at_once(client: Client) -> None:
    body = {
        "daily_execution_windows": {"mondey": [], "friday": [{"run_start_time": "9:00", "run_end_time": "10:00"}]},
        "timezone": "+02:00",
        "excluded_dates": ["2027-02-30", 5],
        "at": "2027-03-01T00:00:00",
        "days": 0,
        "dayz": 1,
    }
    answer = await client.post(PATH, json=body)
    found = {fault["path"]: fault["code"] for fault in (await answer.json())["error"]["details"]}

    assert {
        "/daily_execution_windows/mondey": "unknown_field",
        "/daily_execution_windows/friday/0/run_start_time": "invalid_time",
        "/timezone": "unknown_timezone",
        "/excluded_dates/0": "invalid_date",
        "/excluded_dates/1": "invalid_type",
        "/at": "invalid_instant",
        "/days": "out_of_range",
        "/dayz": "unknown_field",
    } == found


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "0999-12-31T23:59:59Z"])
async def test_the_ends_of_time_are_no_place_for_windows(client: Client, at: str) -> None:
    answer = await client.post(PATH, json={"daily_execution_windows": window("monday", "11:00", "12:00"), "at": at})

    assert 422 == answer.status


async def test_the_widest_preview_is_answered(client: Client) -> None:
    spans = [{"run_start_time": f"{hour:02}:00", "run_end_time": f"{hour:02}:30"} for hour in range(24)]
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    found = await preview(
        client, daily_execution_windows=dict.fromkeys(days, spans), timezone="Europe/Berlin", days=400.0
    )

    assert 9_000 < len(found["data"]["intervals"])
