"""Whatever changes something is written down, with who and why: a new route says here how, or fails this test."""

import re
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
from tests.support.all_routes import all_routes

import backfilld
from backfilld.api.framework.routing import Route
from backfilld.api.public.backfills.bodies import ChangeBackfill, CreateBackfill, Rerun, RerunFailed

P = "/public-api"
A = "/api"
# What it is called in the audit log, and, where nobody is asked for a reason, why not.
AUDITED: dict[tuple[str, str], tuple[str, str | None]] = {
    ("POST", f"{P}/backfills"): ("backfill.create", None),
    ("PATCH", f"{P}/backfills/{{id}}"): ("backfill.change", None),
    ("DELETE", f"{P}/backfills/{{id}}"): ("backfill.delete", None),
    ("POST", f"{P}/backfills/{{id}}/pause"): ("backfill.pause", None),
    ("POST", f"{P}/backfills/{{id}}/resume"): ("backfill.resume", None),
    ("POST", f"{P}/backfills/{{id}}/cancel"): ("backfill.cancel", None),
    ("POST", f"{P}/backfills/{{id}}/override"): ("backfill.override", None),
    ("DELETE", f"{P}/backfills/{{id}}/override"): ("backfill.override", None),
    ("POST", f"{P}/backfills/{{id}}/try-now"): ("backfill.try_now", None),
    ("POST", f"{P}/backfills/{{id}}/rerun"): ("backfill.rerun", None),
    ("POST", f"{P}/backfills/{{id}}/rerun-failed"): ("backfill.rerun", None),
    ("POST", f"{P}/brakes/{{name}}/release"): ("brake.release", None),
    ("POST", f"{P}/brakes/{{name}}/reset"): ("brake.reset", None),
    ("POST", f"{P}/start-all"): ("daemon.start_all", None),
    ("POST", f"{P}/stop-all"): ("daemon.stop_all", None),
    ("POST", f"{P}/targets/try-now"): ("target.try_now", None),
    ("PATCH", f"{P}/workflows/{{id}}"): ("workflow.edit", None),
    ("DELETE", f"{P}/workflows/{{id}}"): ("workflow.delete", None),
    ("DELETE", f"{P}/api-keys/{{id}}"): ("api_key.revoke", None),
    ("DELETE", f"{P}/entities/{{entity_type}}/{{id}}"): ("entity.delete", None),
    ("POST", f"{A}/schedules/{{id}}/disable"): ("schedule.disable", None),
    ("POST", f"{A}/schedules/{{id}}/enable"): ("schedule.enable", None),
    ("POST", f"{A}/schedules/{{id}}/skip"): ("schedule.skip", None),
    ("POST", f"{P}/workflows"): ("workflow.create", "its definition says what it is for"),
    ("POST", f"{P}/api-keys"): ("api_key.create", "its name says what it is for"),
    ("PUT", f"{P}/entities/{{entity_type}}"): ("entities.replace", "a stream of records"),
    ("POST", f"{P}/notifications/{{name}}/deliveries/resend"): ("notification.resend", "sends what was to be sent"),
    ("POST", f"{P}/notifications/{{name}}/deliveries/{{id}}/resend"): ("notification.resend", "the same"),
    ("POST", f"{P}/notifications/{{name}}/test"): ("notification.test", "it is a test"),
    ("POST", f"{P}/mirrors"): ("mirror.create", "a schedule of somebody else's is shown here, and goes on as it was"),
    ("DELETE", f"{P}/mirrors/{{id}}"): ("mirror.delete", "the same"),
    ("PUT", f"{A}/projects"): ("project.push", "an archive; its revision says what it is"),
    ("DELETE", f"{A}/projects/{{id}}"): ("project.delete", "as in digdag"),
    ("PUT", f"{A}/projects/{{id}}/secrets/{{key}}"): ("project.set_secret", "as in digdag"),
    ("DELETE", f"{A}/projects/{{id}}/secrets/{{key}}"): ("project.delete_secret", "as in digdag"),
    ("PUT", f"{A}/attempts"): ("attempt.start", "its name says what it is for"),
    ("POST", f"{A}/attempts/{{id}}/kill"): ("attempt.kill", "as in digdag"),
    ("POST", f"{A}/schedules/{{id}}/backfill"): ("backfill.create", "its attempts' name says what it is for"),
}
# These ask, and change nothing.
LOOKS = {
    f"{P}/backfills/preview", f"{P}/backfills/verify", f"{P}/schedules/preview", f"{P}/windows/preview",
    f"{P}/brakes/{{name}}/test", f"{P}/engines/{{name}}/test", f"{P}/sources/{{type}}/test",
}  # fmt: skip
# Their bodies are read in parts; these are what they are made of.
READ_IN_PARTS = {
    ("POST", f"{P}/backfills"): CreateBackfill, ("PATCH", f"{P}/backfills/{{id}}"): ChangeBackfill,
    ("POST", f"{P}/backfills/{{id}}/rerun"): Rerun, ("POST", f"{P}/backfills/{{id}}/rerun-failed"): RerunFailed,
}  # fmt: skip


def changing() -> list[Route]:
    """Routes of both dialects that may change something."""
    return [
        route
        for route in all_routes()
        if route.method != "GET" and route.path.startswith((P + "/", A + "/")) and route.path not in LOOKS
    ]


def takes_reason(route: Route) -> bool:
    models: list[Any] = [READ_IN_PARTS.get((route.method, route.path), route.body), route.query]
    return any("reason" in getattr(model, "model_fields", {}) for model in models if not isinstance(model, UnionType))


def test_every_route_that_changes_something_is_known_here():
    assert set(AUDITED) == {(route.method, route.path) for route in changing()}


@pytest.mark.parametrize("route", changing(), ids=lambda route: f"{route.method} {route.path}")
def test_it_takes_a_reason_or_says_why_not(route: Route):
    _, why_not = AUDITED[route.method, route.path]

    assert (why_not is None) is takes_reason(route)


def test_each_is_written_down_under_that_name():
    source = Path(backfilld.__file__).parent
    text = "".join(path.read_text() for part in ("operations", "store") for path in (source / part).rglob("*.py"))
    written = set(re.findall(r'"([a-z_]+\.[a-z_.]+)"', text))
    written |= {"backfill.pause", "backfill.resume", "backfill.cancel"}  # in one place, whichever it is

    assert set() == {action for action, _ in AUDITED.values()} - written
