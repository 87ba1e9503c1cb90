"""The verbs: a page that asks, and the POST that does it and leads back, or shows what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from backfilld.domain.access.callers import ROLES, Role
from backfilld.domain.backfill_settings import MOST_REASON
from backfilld.domain.errors import BackfilldError, Conflict, Fault, Forbidden, Invalid, NotFound, Unavailable
from backfilld.operations.system.every import SystemOperations
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.system import questions
from backfilld.web.pages.system.questions import Ask
from backfilld.web.words.documents import pretty

Asking = Callable[[Visit], Awaitable[Ask]]
Doing = Callable[[Visit, str | None], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Verb:
    """One of them. The same address asks and does."""

    path: str
    role: Role
    ask: Asking
    do: Doing
    path_types: Mapping[str, type] = field(default_factory=dict)


class SystemVerbs:
    """Asks, and does."""

    def __init__(self, frame: Frame, system: SystemOperations) -> None:
        self._frame = frame
        self._system = system

    def asking(self, verb: Verb) -> Callable[[Visit], Awaitable[web.Response]]:
        """The page that says what will happen."""

        async def ask(visit: Visit) -> web.Response:
            return self._question(visit, await verb.ask(visit))

        return ask

    def doing(self, verb: Verb) -> Callable[[Visit], Awaitable[web.Response]]:
        """Does it; or says why not, above what was typed."""

        async def do(visit: Visit) -> web.Response:
            ask = await verb.ask(visit)
            try:
                self._frame.check_reason(visit, needs_why=ask.needs_why)
                return await verb.do(visit, visit.form.get("reason")[:MOST_REASON] or None)
            except (Conflict, Unavailable, Invalid, Forbidden) as problem:
                return self._question(visit, ask, problem)

        return do

    def _question(self, visit: Visit, ask: Ask, problem: BackfilldError | None = None) -> web.Response:
        faults = {one.path.lstrip("/"): one.message for one in problem.faults} if isinstance(problem, Invalid) else {}
        told = "" if problem is None or faults else problem.message[:1].upper() + problem.message[1:]
        return self._frame.page(
            visit, "system/confirm.html", here="system", ask=ask, action=visit.http.rel_url.raw_path, problem=told,
            faults=faults, form=visit.form, status=200 if problem is None else problem.status,
        )  # fmt: skip

    def _told(self, visit: Visit, template: str, **shown: Any) -> web.Response:
        return self._frame.page(visit, f"system/{template}.html", here="system", **shown)

    # -- everything

    async def stop_all(self, visit: Visit, why: str | None) -> web.Response:
        await self._system.stopping.stop_all(visit.actor, why=why)
        return self._frame.see_other("/system")

    async def start_all(self, visit: Visit, why: str | None) -> web.Response:
        await self._system.stopping.start_all(visit.actor, why=why)
        return self._frame.see_other("/system")

    # -- targets and sources

    async def ask_target(self, visit: Visit) -> Ask:
        name = visit.http.query.get("target", "") or visit.form.get("target")
        if not any(one.target == name for one in self._system.targets.list_all()):
            raise NotFound("this daemon has used no such target")
        return questions.try_target(name)

    async def try_target(self, visit: Visit, why: str | None) -> web.Response:
        ask = await self.ask_target(visit)
        await self._system.targets.try_now(visit.actor, ask.about, why=why)
        return self._frame.see_other("/system/targets")

    async def ask_source(self, visit: Visit) -> Ask:
        return questions.test_source(visit.path["type"])

    async def test_source(self, visit: Visit, why: str | None) -> web.Response:
        test = await self._system.sources.test(visit.path["type"])
        return self._told(visit, "tested_source", test=test, attributes=pretty(test.record and test.record.attributes))

    async def ask_engine(self, visit: Visit) -> Ask:
        name = str(visit.path["name"])
        if not any(one.engine.name == name for one in self._system.engines.list()):
            raise NotFound("there is no such engine")
        return questions.test_engine(name)

    async def test_engine(self, visit: Visit, why: str | None) -> web.Response:
        return self._told(visit, "tested_engine", test=await self._system.engines.test(visit.path["name"]))

    # -- brakes

    async def ask_look(self, visit: Visit) -> Ask:
        return questions.look(await self._brake(visit))

    async def look(self, visit: Visit, _: str | None) -> web.Response:
        await self._system.brakes.look(visit.path["name"])
        return self._frame.see_other("/system/brakes")

    async def ask_reset(self, visit: Visit) -> Ask:
        return questions.reset(await self._brake(visit))

    async def reset(self, visit: Visit, why: str | None) -> web.Response:
        await self._system.brakes.reset(visit.actor, visit.path["name"], why=why)
        return self._frame.see_other("/system/brakes")

    async def ask_release(self, visit: Visit) -> Ask:
        return questions.release(await self._brake(visit))

    async def release(self, visit: Visit, why: str | None) -> web.Response:
        span = questions.released_for(visit.form.get("minutes"))
        if span is None:
            raise Invalid([Fault("/minutes", "invalid_value", "choose how long")])
        # a release of a day may be as long as one is: by a second less it is so, however long this takes
        until = visit.at + span - timedelta(seconds=1)
        await self._system.brakes.release(visit.actor, visit.path["name"], until=until, why=why)
        return self._frame.see_other("/system/brakes")

    async def _brake(self, visit: Visit) -> str:
        name = str(visit.path["name"])
        if not any(one.brake.settings.name == name for one in await self._system.brakes.list_all()):
            raise NotFound("there is no such brake")
        return name

    # -- notifications

    async def ask_send_test(self, visit: Visit) -> Ask:
        return questions.send_test(await self._endpoint(visit))

    async def send_test(self, visit: Visit, _: str | None) -> web.Response:
        name = visit.path["name"]
        tried, seconds = await self._system.notifications.test(visit.actor, name)
        return self._told(visit, "tested_endpoint", name=name, tried=tried, seconds=seconds)

    async def ask_resend(self, visit: Visit) -> Ask:
        name = await self._endpoint(visit)
        return questions.resend(name, all_of_them="id" not in visit.path, back=_deliveries(name))

    async def resend(self, visit: Visit, _: str | None) -> web.Response:
        name = visit.path["name"]
        await self._system.notifications.resend(visit.actor, name, visit.path.get("id"))
        return self._frame.see_other(_deliveries(name))

    async def _endpoint(self, visit: Visit) -> str:
        name = str(visit.path["name"])
        if not any(one.endpoint.name == name for one in await self._system.notifications.list_all()):
            raise NotFound("there is no such endpoint")
        return name

    # -- keys

    async def ask_new_key(self, visit: Visit) -> Ask:
        if visit.caller.kind == "key":
            raise Forbidden("keys are made by people, or on the machine itself: `backfilld keys create`")
        return questions.NEW_KEY

    async def make_key(self, visit: Visit, _: str | None) -> web.Response:
        form = visit.form
        role: Role | None = next((one for one in ROLES if one == form.get("role")), None)
        if role is None or form.get("days") not in questions.LASTS:
            raise Invalid([Fault("/role", "invalid_value", "choose what it may do, and how long it is valid")])
        expires: datetime | None = visit.at + timedelta(days=int(form.get("days"))) if form.get("days") else None
        made = await self._system.keys.create(visit.actor, name=form.get("name"), role=role, expires_at=expires)
        return self._told(visit, "new_key", made=made)

    async def ask_revoke(self, visit: Visit) -> Ask:
        name = visit.http.query.get("name", "") or visit.form.get("name")
        return questions.revoke(name[:200])

    async def revoke(self, visit: Visit, why: str | None) -> web.Response:
        await self._system.keys.revoke(visit.actor, visit.path["id"], why=why)
        return self._frame.see_other("/system/keys")

    # -- workflows

    async def ask_enable(self, visit: Visit) -> Ask:
        return questions.switch(await self._workflow(visit), enabled=True)

    async def ask_disable(self, visit: Visit) -> Ask:
        return questions.switch(await self._workflow(visit), enabled=False)

    async def enable(self, visit: Visit, why: str | None) -> web.Response:
        return await self._switch(visit, why, enabled=True)

    async def disable(self, visit: Visit, why: str | None) -> web.Response:
        return await self._switch(visit, why, enabled=False)

    async def _switch(self, visit: Visit, why: str | None, *, enabled: bool) -> web.Response:
        await self._system.workflows.patch(visit.path["id"], {"enabled": enabled}, visit.actor, why=why)
        return self._frame.see_other("/system/workflows")

    async def ask_delete(self, visit: Visit) -> Ask:
        return questions.remove_workflow(await self._workflow(visit))

    async def delete(self, visit: Visit, why: str | None) -> web.Response:
        await self._system.workflows.delete(visit.path["id"], visit.actor, why=why)
        return self._frame.see_other("/system/workflows")

    async def _workflow(self, visit: Visit) -> str:
        found = await self._system.workflows.show(visit.path["id"])
        return f"{found.project}/{found.name}"


def _deliveries(name: str) -> str:
    return f"/system/notifications/{quote(name, safe='')}"


def _always(ask: Ask) -> Asking:
    async def asked(_: Visit) -> Ask:
        return ask

    return asked


def pages(frame: Frame, system: SystemOperations) -> list[Page]:
    """Two for each verb."""
    does = SystemVerbs(frame, system)
    brake, endpoint, workflow = "/system/brakes/{name}", "/system/notifications/{name}", "/system/workflows/{id}"
    number, id_ = {"id": int}, {"id": UUID}
    verbs = [
        Verb("/system/stop-all", "operator", _always(questions.STOP), does.stop_all),
        Verb("/system/start-all", "admin", _always(questions.START), does.start_all),
        Verb("/system/targets/try-now", "operator", does.ask_target, does.try_target),
        Verb("/system/engines/{name}/test", "operator", does.ask_engine, does.test_engine),
        Verb("/system/sources/{type}/test", "operator", does.ask_source, does.test_source),
        Verb(brake + "/test", "operator", does.ask_look, does.look),
        Verb(brake + "/reset", "operator", does.ask_reset, does.reset),
        Verb(brake + "/release", "admin", does.ask_release, does.release),
        Verb(endpoint + "/test", "operator", does.ask_send_test, does.send_test),
        Verb(endpoint + "/resend", "admin", does.ask_resend, does.resend),
        Verb(endpoint + "/deliveries/{id}/resend", "admin", does.ask_resend, does.resend, id_),
        Verb("/system/keys/new", "admin", does.ask_new_key, does.make_key),
        Verb("/system/keys/{id}/revoke", "admin", does.ask_revoke, does.revoke, id_),
        Verb(workflow + "/enable", "admin", does.ask_enable, does.enable, number),
        Verb(workflow + "/disable", "admin", does.ask_disable, does.disable, number),
        Verb(workflow + "/delete", "admin", does.ask_delete, does.delete, number),
    ]
    made = []
    for verb in verbs:
        made.append(Page("GET", verb.path, does.asking(verb), verb.role, path_types=verb.path_types))
        made.append(Page("POST", verb.path, does.doing(verb), verb.role, path_types=verb.path_types))
    return made
