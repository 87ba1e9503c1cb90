"""The way from a request to a page and back: session, origin, role, and the headers that pages have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from backfilld.api.auth.roles import Doorkeeper, require
from backfilld.api.framework.routing import RequestContext, Route
from backfilld.clock import Clock
from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import BackfilldError, Fault, Invalid, RateLimited, Unauthenticated
from backfilld.domain.stopping import NEVER_STOPPED, StopOrder
from backfilld.operations.web_sessions import WebSession, WebSessions, is_csrf_token
from backfilld.web.frame import assets
from backfilld.web.frame.forms import ACCEPTED, NO_FORM, Form, read_form
from backfilld.web.frame.origin import require_own
from backfilld.web.frame.preferences import Preferences
from backfilld.web.frame.templates import Templates
from backfilld.web.frame.visit import Page, Visit

if TYPE_CHECKING:
    from markupsafe import Markup

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NOT_PAGES = ("/public-api/", "/api/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/assets/", "/events/")
ANSWERS_TO = web.RequestKey("page", bool)


SIGNED_OUT = "X-Signed-Out"
MOST_KEPT_BYTES = 512 * 1024


class AnyQuery(BaseModel):
    """The query of a page, which reads it itself: an address that somebody has kept goes on to work."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class Place:
    """How browsers reach us. `public_url` is "" where that is not known."""

    speaks_tls: bool = False
    public_url: str = ""

    @property
    def is_secure(self) -> bool:
        """Whether a cookie may be kept from going over plain HTTP."""
        return self.speaks_tls or self.public_url.startswith("https:")

    @property
    def cookie(self) -> str:
        """The session's: with a prefix by which browsers see to it that no other host has set it, where that goes."""
        return "__Host-bf" if self.is_secure else "bf"

    @property
    def base(self) -> str:
        """What stands in front of every path, where a proxy has put us below one."""
        return urlsplit(self.public_url).path.rstrip("/")


class Frame:
    """Lets visitors in and draws pages for them."""

    def __init__(
        self,
        sessions: WebSessions,
        door: Doorkeeper,
        clock: Clock,
        place: Place = Place(),
        order: Callable[[], StopOrder] = lambda: NEVER_STOPPED,
        *,
        requires_reason: bool = False,
    ) -> None:
        """`order`: whether everything is stopped, which every page says. `requires_reason`: of whoever pauses, cancels
        and the like."""
        self.sessions = sessions
        self.door = door
        self.clock = clock
        self.place = place
        self.assets = assets.Assets()
        self._templates = Templates(self.assets, place.base, clock, order, requires_reason)
        self.requires_reason = requires_reason

    def routes(self, pages: Sequence[Page]) -> list[Route]:
        """The pages and their files, as the server takes them."""
        files = Route("GET", assets.PATH, self._asset, None, "A file of the dashboard", None, hidden=True)
        return [files, *(self._route(page) for page in pages)]

    def _route(self, page: Page) -> Route:
        async def handle(asked: RequestContext[None, None]) -> web.StreamResponse:
            return await self._handle(page, asked)

        return Route(
            page.method, page.path, handle, None, "A page of the dashboard", None,
            query=AnyQuery, path_types=page.path_types, raw_body=ACCEPTED if page.method == "POST" else None,
            streams=page.is_stream, hidden=True, content_type="text/html",
        )  # fmt: skip

    async def _asset(self, asked: RequestContext[None, None]) -> web.Response:
        takes_gzip = "gzip" in asked.http.headers.get("Accept-Encoding", "").lower()
        return self.assets.answer(asked.path["hash"], asked.path["name"], takes_gzip=takes_gzip)

    async def _handle(self, page: Page, asked: RequestContext[None, None]) -> web.StreamResponse:
        request = asked.http
        request[ANSWERS_TO] = True
        if page.method == "POST":
            require_own(request, self.place.public_url)
        token = request.cookies.get(self.place.cookie, "")
        session = await self.sessions.find(token) if token else None
        if session is None and page.role is not None:
            return await self._stranger(page, asked)
        if session is not None:
            self._count(session.caller)
        form = await read_form(request) if page.method == "POST" else NO_FORM
        if session is not None and page.role is not None:
            require(session.caller, page.role)
        visit = self._visit(request, asked.request_id, session, token if session else "", asked.path, form)
        if session is not None and page.method == "POST" and page.role is not None and not _is_of(form, token, request):
            return self._again(visit, 403)
        return await page.handler(visit)

    async def _stranger(self, page: Page, asked: RequestContext[None, None]) -> web.Response:
        request = asked.http
        if page.path.startswith("/events/"):
            return web.Response(status=204)  # the page says so itself, and keeps what was typed into it
        if page.method == "POST":
            if (request.content_length or MOST_KEPT_BYTES + 1) > MOST_KEPT_BYTES:
                raise Unauthenticated("you are signed out: sign in in another tab, then send this again")
            return self._again(self._visit(request, asked.request_id, None, "", form=await read_form(request)), 401)
        return self.see_other(f"/sign-in?next={quote(request.rel_url.raw_path_qs, safe='')}")

    def _count(self, caller: Caller) -> None:
        quota = self.door.count(caller)
        if quota.exceeded:
            message = f"more than {quota.limit} requests in a minute"
            raise RateLimited(message, retry_after_seconds=quota.reset_seconds)

    def _again(self, visit: Visit, status: int) -> web.Response:
        """What was typed, to be sent once more: by somebody who has signed in meanwhile. Nothing has changed."""
        if visit.http.headers.get("HX-Request"):
            return web.Response(status=204, headers={SIGNED_OUT: "true"})  # the page says so itself, and keeps it all
        kept = [(name, value) for name, value in visit.form.fields if name != "csrf"]
        return self.page(visit, "frame/again.html", status=status, kept=kept)

    def _visit(
        self, request: web.Request, id_: UUID, session: WebSession | None, token: str, path: Any = None,
        form: Form = NO_FORM,
    ) -> Visit:  # fmt: skip
        return Visit(request, id_, self.clock.now(), Preferences.of(request), path or {}, session, token, form)

    def check_reason(self, visit: Visit, *, needs_why: bool) -> None:
        """Invalid where the configuration wants to know why, and nobody says it."""
        if needs_why and self.requires_reason and not visit.form.get("reason"):
            raise Invalid([Fault("/reason", "missing", "Say why: whoever looks later will want to know")])

    def page(self, visit: Visit, template: str, /, *, status: int = 200, **values: Any) -> web.Response:
        """A template as an answer."""
        text = self._templates.render(template, visit, **values)
        return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)

    def piece(self, template: str, macro: str, /, *values: Any) -> "Markup":
        """What a macro makes of `values`: a part of a page, in which there is nothing of one viewer."""
        return self._templates.piece(template, macro, *values)

    def see_other(self, path: str) -> web.Response:
        """On to another of our pages; the server puts its public address in front, as of every such path."""
        return web.Response(status=303, headers={"Location": path})

    async def error_page(self, request: web.Request, error: BackfilldError, request_id: UUID) -> web.Response | None:
        """An error for people; None for programs: then the API's answer is right."""
        if not self._wants_page(request):
            return None
        session, token = None, request.cookies.get(self.place.cookie, "")
        try:
            session = await self.sessions.find(token) if token else None
        except Exception as problem:
            log.debug("whose error page it is cannot be told", error=repr(problem))
        visit = self._visit(request, request_id, session, token if session else "")
        retry = getattr(error, "retry_after_seconds", None)
        return self.page(visit, "frame/error.html", status=error.status, error=error, retry=retry)

    def _wants_page(self, request: web.Request) -> bool:
        if request.get(ANSWERS_TO):
            return True
        if request.path.startswith(NOT_PAGES) or request.method not in ("GET", "HEAD", "POST"):
            return False
        return "text/html" in request.headers.get("Accept", "")


def _is_of(form: Form, token: str, request: web.Request) -> bool:
    """Whether a form carries what those of this session do."""
    return is_csrf_token(token, form.get("csrf") or request.headers.get("X-CSRF-Token", ""))
