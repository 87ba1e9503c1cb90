"""Instants from the ends of all calendars, in every field of either dialect that takes one.

Which fields there are is read out of the document that the daemon itself serves, so that a new one cannot be forgotten.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.asker import GZIP, ZONES, Asker, asker
from tests.support.daemon import ALL_DAY
from tests.support.database import Databases
from tests.support.project_archives import packed
from tests.support.waiting import eventually

from backfilld.api.framework.cursors import encode_cursor

REFUSED = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0999-12-31T23:59:59Z", "1000-01-01T00:00:00+09:00",
    "9000-12-31T23:59:59-09:00", "9001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
)  # fmt: skip
TAKEN = ("1000-01-01T00:00:00Z", "9000-12-31T23:59:59Z")
REFUSED_DATES, TAKEN_DATES = ("0001-01-01", "0999-12-31", "9001-01-01", "9999-12-31"), ("1000-01-01", "9000-12-31")
FORMATS = {"date-time": (REFUSED, TAKEN), "date-time-or-local": (REFUSED, TAKEN), "date": (REFUSED_DATES, TAKEN_DATES)}
TIME_WORDS = ("time", "at", "after", "before", "from", "to", "since", "until", "date", "dates")
NO_TIMES = {"runStartTime", "runEndTime", "run_start_time", "run_end_time", "from_revision"}
WANTED = {"entity_type": "ticket", "filter_spec": {}, "daily_execution_windows": ALL_DAY, "max_in_flight": 1}

ARCHIVE = {"data": packed({"w.dig": "+t: {echo>: x}\n"}), "headers": GZIP}


@dataclass(frozen=True)
class Field:
    """One field of one route; `way` leads to it from the body (`[]` is a list), or is ("query", name)."""

    method: str
    path: str
    way: tuple[str, ...]
    format: str

    def pointer(self) -> str:
        return "".join("/0" if part == "[]" else f"/{part}" for part in self.way)

    def request(self, value: str, base: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent: the other fields as in `base`, and this one as `value`."""
        if self.way[0] == "query":
            query = {"params": {self.way[1]: value}}
            return query | (ARCHIVE if self.path == "/api/projects" and self.method == "PUT" else {})
        found: Any = value
        for part in reversed(self.way[1:]):
            found = [found] if part == "[]" else {part: found}
        if self.way[0] == "[]":
            return {"json": [{**base, **found}]}
        return {"json": {**base, self.way[0]: found}}


def fields_of(document: Mapping[str, Any]) -> Iterator[Field]:
    """Every field of a request that has one of FORMATS."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    for way, format in _instants(parameter["schema"], document):
                        yield Field(method.upper(), path, ("query", parameter["name"], *way), format)
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for way, format in _instants(schema, document):
                yield Field(method.upper(), path, way, format)


def _instants(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("format") in FORMATS:
        yield (), schema["format"]
    for inner in (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from _instants(inner, document)
    if isinstance(schema.get("items"), dict):
        for way, format in _instants(schema["items"], document):
            yield ("[]", *way), format
    for name, inner in schema.get("properties", {}).items():
        for way, format in _instants(inner, document):
            yield (name, *way), format


def names_of_times(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Fields of requests that are called like times, whatever their format."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            spans = {name for name, told in schema.get("properties", {}).items() if "pattern" in told}  # `7d`, say
            for name in (*names, *(schema.get("properties", {}).keys() - spans)):
                words = "".join(f"_{char.lower()}" if char.isupper() else char for char in name).split("_")
                if words[-1] in TIME_WORDS and name not in NO_TIMES:
                    yield method.upper(), path, name


@pytest.fixture(scope="module")
async def ask(databases: Databases) -> AsyncIterator[Asker]:
    async with databases.database() as dsn, asker(dsn) as asking:
        yield asking


@pytest.fixture(autouse=True)
async def sound(ask: Asker) -> AsyncIterator[None]:
    """Whatever was sent: the daemon lives, every list answers, and nothing is on the log that is nobody's fault."""
    yield
    await ask.lists()

    assert ask.daemon.is_running
    assert [] == [line for line in ask.daemon.events() if line.get("level") in ("error", "critical")]


def base_of(ask: Asker, field: Field) -> dict[str, Any]:
    """What else a request needs for this field to count."""
    path = field.path
    if path == "/public-api/windows/preview":
        return {"daily_execution_windows": ALL_DAY, "timezone": "Pacific/Apia", "days": 400}
    if path == "/public-api/schedules/preview":
        return {"schedule": {"daily>": "07:00:00"}, "timezone": "Pacific/Apia", "count": 3}
    if path.startswith("/public-api/backfills"):
        return {**WANTED, "target_workflow_id": int(ask.workflows[0])}
    if path.startswith("/public-api/entities"):
        return {"id": "T1", "attributes": {}}
    if path == "/api/attempts":
        return {"workflowId": ask.workflows[0]}
    if path.endswith("/backfill"):
        return {"dryRun": True, "attemptName": "x", "fromTime": "2020-01-01T00:00:00Z", "count": 1}
    if path.endswith("/skip"):
        more = {"nextRunTime": {"nextTime": "2100-01-01T00:00:00Z"}, "fromTime": {"count": 2}}
        return {"dryRun": True, **more.get(field.way[0], {})}
    return {}


async def test_every_field_that_is_called_like_a_time_says_that_it_is_one(ask: Asker) -> None:
    known = {(field.method, field.path, field.way[-1] if field.way[-1] != "[]" else field.way[-2])
             for field in fields_of(ask.document)}  # fmt: skip
    named = set(names_of_times(ask.document))

    assert len(known) > 15
    assert set() == named - known


async def test_no_field_takes_an_instant_from_the_ends_of_the_calendar(ask: Asker) -> None:
    wrong = []
    for field in fields_of(ask.document):
        for value in FORMATS[field.format][0]:
            sent = field.request(value, base_of(ask, field))
            status, answer = await ask(field.method, ask.filled(field.path), **sent)
            if not _names(field, status, answer):
                wrong.append((field, value, status, answer))

    assert [] == wrong


def _names(field: Field, status: int, answer: Any) -> bool:
    """Whether it was refused with the name of the field; what only a person may send is not looked at."""
    if field.path.startswith("/api/"):
        return status == 400 and field.way[-1] in answer["message"]
    if status == 403:
        return bool(answer["error"]["code"] == "keys_cannot_make_keys")
    paths = [detail["path"] for detail in answer["error"]["details"] if detail["code"] == "out_of_range"]
    return status == 422 and field.pointer() in paths


async def test_the_first_and_the_last_instant_that_may_come_in_do_no_harm(ask: Asker) -> None:
    for field in fields_of(ask.document):
        for value in FORMATS[field.format][1]:
            sent = field.request(value, base_of(ask, field))
            status, answer = await ask(field.method, ask.filled(field.path), **sent)
            assert "within the years" not in str(answer), (field, value, status)


@pytest.mark.slow
async def test_attempts_at_the_first_and_the_last_instant_run_to_their_end(ask: Asker) -> None:
    made = []
    for workflow in ask.workflows:
        for at in TAKEN:
            params = {"last_executed_session_time": "9999-12-31T23:59:59Z"}
            sent = {"workflowId": workflow, "sessionTime": at, "params": params, "retryAttemptName": f"n{len(made)}"}
            status, attempt = await ask("PUT", "/api/attempts", json=sent)
            assert 200 == status, attempt

            made.append(attempt["id"])

    async def ended() -> bool:
        shown = [(await ask("GET", f"/api/attempts/{id}"))[1] for id in made]
        return {"success"} == {one["status"] for one in shown}

    await eventually(ended, seconds=20)


async def test_a_forged_cursor_is_refused(ask: Asker) -> None:
    asked = 0
    for path, operations in ask.document["paths"].items():
        names = [parameter["name"] for parameter in operations.get("get", {}).get("parameters", ())]
        if "cursor" not in names:
            continue
        for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"):
            for key in (
                ("x", at),
                (at, 1),
                (at, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
                (1, at),
                (at, "x"),
                (at, -(2**63)),
            ):
                status, _ = await ask("GET", ask.filled(path), params={"cursor": encode_cursor(*key)})
                asked += 1
                assert status in (404, 422), (path, key)
    assert asked > 50


MORE_OPERATORS = [pytest.param(one, marks=pytest.mark.slow) for one in ("<=", ">", ">=", "notBetween")]


@pytest.mark.parametrize("operator", ["<", "between", *MORE_OPERATORS])
async def test_no_filter_takes_a_date_from_the_ends_of_the_calendar(ask: Asker, operator: str) -> None:
    values = [*REFUSED, *REFUSED_DATES, "now-1500y", "now+8000y", "now-999999999d", "now+999999999M/M"]
    for value in values:
        sent = [value, value] if "etween" in operator else value
        rule = {"combinator": "and", "rules": [{"field": "at", "operator": operator, "value": sent}]}
        for path in ("verify", "preview", ""):
            body = {
                **WANTED,
                "target_workflow_id": int(ask.workflows[0]),
                "filter_spec": rule,
                "timezone": "Pacific/Apia",
            }
            if path == "verify":
                body = {name: body[name] for name in ("entity_type", "filter_spec", "timezone")}
            status, answer = await ask("POST", f"/public-api/backfills/{path}".rstrip("/"), json=body)
            assert 422 == status, (path, value, answer)

            codes = [detail["code"] for detail in answer["error"]["details"]]
            assert {"date_out_of_range"} == set(codes), (path, value, answer)


@pytest.mark.parametrize("name", ["start", "end"])
async def test_no_schedule_has_its_start_or_end_at_the_ends_of_the_calendar(ask: Asker, name: str) -> None:
    for day in REFUSED_DATES:
        schedule = {"daily>": "07:00:00", name: day}
        preview = {"schedule": schedule, "after": "2027-01-01T00:00:00Z"}
        workflow = {"name": "w", "executor": {"type": "http", "url": "http://127.0.0.1:9/"}, "schedule": schedule}
        file = f"schedule:\n  daily>: 07:00:00\n  {name}: '{day}'\n+t: {{echo>: x}}\n"
        query = {"project": "bad", "revision": "1"}
        answers = [
            await ask("POST", "/public-api/schedules/preview", json=preview),
            await ask("POST", "/public-api/workflows", json=workflow),
            await ask("PUT", "/api/projects", params=query, data=packed({"w.dig": file}),
                      headers=GZIP),
        ]  # fmt: skip

        assert [422, 422, 400] == [status for status, _ in answers], answers
        assert all("within the years 1000 to 9000" in str(answer) for _, answer in answers), answers


@pytest.mark.parametrize("zone", [ZONES[0], *(pytest.param(zone, marks=pytest.mark.slow) for zone in ZONES[1:])])
async def test_attributes_are_data_and_may_be_of_any_year(ask: Asker, zone: str) -> None:
    attributes = {f"at{number}": at for number, at in enumerate((*REFUSED, *REFUSED_DATES))}
    types = {"field_types": json.dumps(dict.fromkeys(attributes, "date"))}
    sent = [{"id": f"E{number}", "attributes": attributes} for number in range(3)]
    status, answer = await ask("PUT", "/public-api/entities/company", json=sent, params=types)
    assert 200 == status, answer

    for name in attributes:
        for value in (*TAKEN, *TAKEN_DATES, "now-1d"):
            rule = {"combinator": "and", "rules": [{"field": name, "operator": "<=", "value": value}]}
            body = {"entity_type": "company", "filter_spec": rule, "timezone": zone}
            status, answer = await ask("POST", "/public-api/backfills/verify", json=body)

            assert 200 == status, answer
