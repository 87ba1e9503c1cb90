"""A row that cannot be shown, at whichever step of the showing: the list answers, and all other rows are whole."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.api.backfill_fixtures import control, operations, workflow  # noqa: F401  # fixtures
from tests.api.conftest import Client, Serve
from tests.api.test_digdag_sessions import DAYS, opened
from tests.support.backfills import make_backfill, make_workflow
from tests.support.clock import FakeClock
from tests.support.ledgers import make_ledger
from tests.support.schedules import make_schedule

from backfilld.api.digdag import project_shapes, schedules, sessions, shapes, task_shapes
from backfilld.api.digdag.stand_ins import EPOCH
from backfilld.api.framework.answering.rows import UNREADABLE_HEADER
from backfilld.api.public import audit, keys
from backfilld.api.public.backfills import answers, ledger
from backfilld.api.public.backfills import routes as backfills
from backfilld.domain.access.callers import Actor
from backfilld.domain.sessions.records import Attempt, StoredSchedule
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills import view
from backfilld.operations.keys import KeyOperations, create_key
from backfilld.operations.schedules.read import ScheduleReading
from backfilld.operations.sessions.read import SessionReading
from backfilld.store.connection.pool import Pool

CULPRIT = 2
BUG = OverflowError("date value out of range")


def _plant(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, concerns: Callable[..., bool]) -> None:
    """Have `owner.name` (a function, class method or property) raise for the culprit."""
    real = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
    call = real.fget if isinstance(real, property) else getattr(real, "__func__", real)

    def planted(*args: Any) -> Any:
        if concerns(*args):
            raise BUG
        return call(*args)

    wrap = property if isinstance(real, property) else classmethod if isinstance(real, classmethod) else lambda f: f
    monkeypatch.setattr(owner, name, wrap(planted))


# The dialect

DIGDAG_STEPS: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "session time": (shapes, "local", lambda at, _: at == DAYS[CULPRIT - 1]),
    "status": (Attempt, "status", lambda one: one.id == CULPRIT),
    "project": (shapes, "named", lambda *_: True),
    "instants": (shapes, "instant", lambda *_: True),
}


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    return await make_schedule(pool, timezone="+09:00")


@pytest.fixture
async def digdag(pool: Pool, serve: Serve, stored: StoredSchedule) -> Client:
    await opened(pool, stored, "", DAYS)
    reading, none = SessionReading(pool), None
    routes = schedules.routes(ScheduleReading(pool), none, none)  # type: ignore[arg-type]  # never called
    return await serve(sessions.routes(reading) + routes, role="viewer")


@pytest.mark.parametrize("step", DIGDAG_STEPS)
async def test_what_cannot_be_read_of_an_attempt_is_left_out_and_its_neighbours_are_whole(
    digdag: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    for path in ("/api/attempts", "/api/sessions", "/api/attempts/2", "/api/sessions/2"):
        caplog.clear()
        whole = await (await digdag.get(path)).json()
        with monkeypatch.context() as planted:
            _plant(planted, *DIGDAG_STEPS[step])
            answer = await digdag.get(path)
            document = await answer.json()
        before, after = _by_id(whole), _by_id(document)
        hurt = [id for id in before if before[id] != after[id]]

        assert 200 == answer.status, path
        assert list(before) == list(after), path
        assert set(hurt) <= ({"2"} if step in ("session time", "status") else set(before)), path
        assert sorted(hurt) == sorted(name.strip() for name in answer.headers[UNREADABLE_HEADER].split(",")), path
        assert "date value out of range" in caplog.text, path
        for id in hurt:
            assert _kinds(before[id]) == _kinds(after[id]), path


def _by_id(document: Any) -> dict[str, Any]:
    """The things of a list by id; one thing alone is a list of one."""
    found = next((inner for inner in document.values() if isinstance(inner, list)), [document])
    return {thing["id"]: thing for thing in found}


def _kinds(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Which keys there are, and of what type: what clients crash on."""
    return {
        key: _kinds(value) if isinstance(value, dict) and value else type(value).__name__
        for key, value in thing.items()
    }


async def test_a_schedule_that_cannot_be_shown_hides_no_other(
    digdag: Client, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_schedule(pool)
    _plant(monkeypatch, shapes, "local", lambda _, timezone: timezone == "+09:00")
    answer = await digdag.get("/api/schedules")
    first, second = (await answer.json())["schedules"]

    assert "1" == answer.headers[UNREADABLE_HEADER]
    assert ("1", "2027-03-02T00:00:00+00:00") == (first["id"], second["nextScheduleTime"])
    assert first["nextScheduleTime"] not in ("", EPOCH)
    assert set(first) == set(second)


# The public one


@pytest.fixture
async def public(pool: Pool, clock: FakeClock, operations: BackfillOperations, serve: Serve) -> Client:  # noqa: F811
    await make_workflow(pool, "other")
    await make_backfill(pool)
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "failed:http_404", "c": "skipped"})
    for name in ("one", "two", "three"):
        await create_key(pool, clock, name=name, role="viewer", actor=Actor.local("test"))
    routes = backfills.routes(operations) + ledger.routes(operations.ledger) + keys.routes(KeyOperations(pool, clock))
    return await serve(routes + audit.routes(AuditReading(pool)), role="admin")


PUBLIC_STEPS: dict[str, tuple[str, Any, str, Callable[..., bool]]] = {
    "backfill": ("backfills", answers.BackfillAnswer, "of", lambda _, one: one.backfill.number == 1),
    "entry": ("backfills/ID/entities", ledger.EntryAnswer, "of", lambda _, one: one.entity_id == "b"),
    "its number": ("backfills/ID/entities", ledger, "number", lambda _: True),
    "event": ("audit-log", audit.EventAnswer, "of", lambda _, one: one.id == CULPRIT),
    "key": ("api-keys", keys.KeyAnswer, "of", lambda _, one: one.name == "two"),
}


@pytest.mark.parametrize("step", PUBLIC_STEPS)
async def test_a_row_that_cannot_be_shown_keeps_what_can_be_read_and_its_neighbours_are_whole(
    public: Client, pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    path, owner, name, concerns = PUBLIC_STEPS[step]
    id = await pool.fetchval("SELECT id FROM backfills WHERE number = 2")
    path = "/public-api/" + path.replace("ID", str(id))
    (whole,) = (await (await public.get(path)).json())["data"].values()
    _plant(monkeypatch, owner, name, concerns)
    answer = await public.get(path)
    document = await answer.json()
    (shown,) = document["data"].values()
    hurt = [(before, after) for before, after in zip(whole, shown, strict=True) if before != after]

    assert 200 == answer.status
    assert len(hurt) == len(document["meta"]["warnings"])
    assert 1 == len(hurt) or step == "its number"
    assert "date value out of range" in caplog.text
    for before, after in hurt:
        key = "entity_id" if "entity_id" in before else "id"
        assert before[key] == after[key]
        assert set(before) == set(after) - {"unreadable"}
        assert "OverflowError: date value out of range" == after["unreadable"]
        assert {} == {name: (value, after[name]) for name, value in before.items() if after[name] not in (value, None)}


async def test_what_cannot_be_reckoned_of_a_backfill_hides_nothing_else(
    public: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (await (await public.get("/public-api/backfills")).json())["data"]["backfills"]
    _plant(monkeypatch, view, "_windows", lambda *_: True)
    answer = await public.get("/public-api/backfills")
    shown = (await answer.json())["data"]["backfills"]

    assert 200 == answer.status
    assert {"open": False, "next_open_at": None, "closes_at": None, "override_until": None} == shown[0]["window"]
    assert [one["pending_count"] for one in whole] == [one["pending_count"] for one in shown]


async def test_a_value_that_is_no_json_is_null_and_the_rest_is_shown(
    public: Client, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ledger.EntryAnswer.of.__func__  # type: ignore[attr-defined]

    def odd(model: Any, entry: Any) -> Any:
        return real(model, entry).model_copy(update={"result": {"good": 1, "odd": object()}})

    monkeypatch.setattr(ledger.EntryAnswer, "of", classmethod(odd))
    id = await pool.fetchval("SELECT id FROM backfills WHERE number = 2")
    answer = await public.get(f"/public-api/backfills/{id}/entities")
    entries = (await answer.json())["data"]["entities"]

    assert ["a", "b", "c"] == [entry["entity_id"] for entry in entries]
    assert {"good": 1, "odd": None} == entries[0]["result"]


def test_every_list_of_the_dialect_is_made_of_shapes_that_cannot_fail() -> None:
    """So that nobody forgets a new one."""
    made = (shapes.attempt, shapes.schedule, shapes.schedule_summary, project_shapes.project, project_shapes.revision,
            project_shapes.workflow, task_shapes.task)  # fmt: skip

    assert [] == [show.__name__ for show in made if not hasattr(show, "__wrapped__")]
