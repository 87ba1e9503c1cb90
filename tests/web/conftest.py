"""The dashboard over real HTTP, without a browser: people with cookies, who send forms as browsers do.

site = await open_site()
anna = await site.sign_in("operator")
answer = await anna.post("/backfills/…/pause", reason="…")
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from tests.support.backfill_api import make_operations
from tests.support.backfills import Workflow, make_workflow
from tests.support.clock import FakeClock
from tests.support.fake_control import FakeControl
from tests.support.system import System, make_system
from yarl import URL

from backfilld.api.auth.keys import KeyAuthenticator
from backfilld.api.framework.server import ApiServer, ServerOptions, doorkeeper
from backfilld.domain.access.callers import Actor, Caller, Role
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.keys import NewKey, create_key
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.operations.sessions.backfill_schedule import ScheduleLimits
from backfilld.operations.web_sessions import WebSessions, csrf_token
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page
from backfilld.web.pages.account.sign_in_page import Directory
from backfilld.web.site import pages

OPTIONS = ServerOptions(stop_timeout_seconds=1)
_TOKEN = re.compile(r'name="csrf" value="(\w+)"')


class Person:
    """A browser in small: keeps cookies, says where it comes from, and sends the form's token along."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url
        self.csrf = ""

    async def get(self, path: str, **settings: Any) -> aiohttp.ClientResponse:
        headers = {"Accept": "text/html"} | settings.pop("headers", {})
        return await self.session.get(path, allow_redirects=False, headers=headers, **settings)

    async def text(self, path: str) -> str:
        answer = await self.get(path)
        text = await answer.text()

        assert 200 == answer.status, text
        return text

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: Any) -> aiohttp.ClientResponse:
        """With everything that a form of ours sends; a field of None is left out."""
        data = {"csrf": self.csrf} | fields
        sent = {name: value for name, value in data.items() if value is not None}
        told = {"Origin": self.url, "Accept": "text/html"} if headers is None else headers
        return await self.session.post(path, data=sent, headers=told, allow_redirects=False)

    async def take_token(self) -> None:
        """The one that stands in the forms of a page."""
        found = _TOKEN.search(await self.text("/account"))

        assert found is not None
        self.csrf = found[1]

    def has_signed_in(self, cookie: str, token: str) -> None:
        self.session.cookie_jar.update_cookies({cookie: token}, URL(self.url))
        self.csrf = csrf_token(token)


class Site:
    """A server with all pages, and keys to enter by."""

    def __init__(
        self, server: ApiServer, frame: Frame, pages: list[Page], pool: Pool, clock: FakeClock, stack: AsyncExitStack
    ) -> None:
        self.server, self.pages, self._frame = server, pages, frame
        self._pool, self._clock, self._stack = pool, clock, stack

    async def stranger(self) -> Person:
        jar = aiohttp.CookieJar(unsafe=True)
        session = aiohttp.ClientSession(base_url=self.server.url, cookie_jar=jar)
        return Person(await self._stack.enter_async_context(session), self.server.url)

    async def key(self, role: Role) -> NewKey:
        return await create_key(self._pool, self._clock, name=f"the {role}", role=role, actor=Actor.local("cli"))

    async def sign_in(self, role: Role, key: NewKey | None = None) -> Person:
        """Somebody for whom the page to sign in has done its work: that page has tests of its own."""
        key = key or await self.key(role)
        token, _ = await self._frame.sessions.open(Caller(f"key:{key.id}", key.name, key.role, "key"), "")
        person = await self.stranger()
        person.has_signed_in(self._frame.place.cookie, token)
        return person


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def operations(pool: Pool, clock: FakeClock, control: FakeControl) -> BackfillOperations:
    return make_operations(pool, clock, control)


@pytest.fixture
async def workflow(pool: Pool) -> Workflow:
    return await make_workflow(pool, "classify", credits_per_entity=1.5)


@pytest.fixture
def verbs(pool: Pool, clock: FakeClock, control: Any, operations: BackfillOperations) -> ScheduleVerbs:
    return ScheduleVerbs(pool, operations.sessions, control, clock, limits=ScheduleLimits(), most_unfinished=100)


@pytest.fixture
def directory() -> Directory | None:
    """Where people sign in beside API keys."""
    return None


@pytest.fixture
def options() -> ServerOptions:
    return OPTIONS


@pytest.fixture
def system(pool: Pool, clock: FakeClock) -> System:
    return make_system(pool, clock)


async def open_site(
    stack: AsyncExitStack, pool: Pool, clock: FakeClock, operations: BackfillOperations, system: System,
    verbs: ScheduleVerbs, directory: Directory | None = None, options: ServerOptions = OPTIONS, **frame_settings: Any,
) -> Site:  # fmt: skip
    authenticator = KeyAuthenticator(KeyStore(pool), clock)
    stack.push_async_callback(authenticator.close)
    door = doorkeeper([authenticator], clock, options)
    frame = Frame(WebSessions(pool, clock), door, clock, order=system.verbs.status.order, **frame_settings)
    every = pages(frame, operations, system.verbs, verbs, directory)
    server = ApiServer(
        frame.routes(every), door=door, clock=clock, options=options, error_page=frame.error_page
    )  # fmt: skip
    await server.start()
    stack.push_async_callback(server.stop)
    return Site(server, frame, every, pool, clock, stack)


@pytest.fixture
async def site(
    pool: Pool, clock: FakeClock, operations: BackfillOperations, system: System, verbs: ScheduleVerbs,
    directory: Directory | None, options: ServerOptions,
) -> AsyncIterator[Site]:  # fmt: skip
    async with AsyncExitStack() as stack:
        yield await open_site(stack, pool, clock, operations, system, verbs, directory, options)
