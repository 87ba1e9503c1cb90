"""Signing in and out, the list of one's sessions, and how one likes the pages."""

from ipaddress import ip_address
from uuid import UUID

from aiohttp import web

from backfilld.api.client_addresses import CLIENT_ADDRESS
from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import Forbidden, NotFound, RateLimited, Unauthenticated
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.origin import local_path
from backfilld.web.frame.preferences import THEMES, Preferences, Theme
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.account import entra
from backfilld.web.pages.account.sign_in_page import Directory, SignInPage
from backfilld.web.words.browsers import browser_of

UNKNOWN = "This key is not known, or no longer. Look whether it is whole."
USED_UP = "This link was used already, or is older than five minutes. Make another, or sign in with an API key."


class LinkOver(Unauthenticated):
    """A link that signs in nobody."""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class Account:
    """The handlers."""

    def __init__(self, frame: Frame, page: SignInPage) -> None:
        self._frame = frame
        self._page = page

    async def show_sign_in(self, visit: Visit) -> web.Response:
        next_ = local_path(visit.http.query.get("next", "/"))
        once = visit.http.query.get("once", "")
        if visit.session is not None and not once:
            return self._frame.see_other(next_)
        return self._page.draw(visit, next_, once=once)

    async def sign_in(self, visit: Visit) -> web.Response:
        next_ = local_path(visit.form.get("next"))
        try:
            caller = await self._recognised(visit)
        except RateLimited as problem:
            wait = f"Too many attempts from your address. Try again in {problem.retry_after_seconds:.0f} s."
            return self._page.draw(visit, next_, wait, status=429)
        except LinkOver:
            return self._page.draw(visit, next_, USED_UP, status=401)
        except (Unauthenticated, Forbidden):
            return self._page.draw(visit, next_, UNKNOWN, status=401)
        return await self._page.open_session(visit, caller, next_)

    async def _recognised(self, visit: Visit) -> Caller:
        if once := visit.form.get("once"):
            return await self._linked(visit, once)
        header = f"Bearer {visit.form.get('key') or '-'}"
        return (await self._frame.door.identify(header, ("bearer",), visit.http[CLIENT_ADDRESS])).caller

    async def _linked(self, visit: Visit, once: str) -> Caller:
        """Whoever follows a link on the machine itself; from elsewhere it is of no use, and not used up."""
        caller = await self._frame.sessions.take_link(once) if _is_loopback(visit.http[CLIENT_ADDRESS]) else None
        if caller is None:
            raise LinkOver("this link is not known, or no longer")
        return caller

    async def sign_out(self, visit: Visit) -> web.Response:
        if visit.session is not None:
            await self._frame.sessions.end(visit.caller, visit.session.id)
        response = self._frame.see_other("/sign-in")
        place = self._frame.place
        response.del_cookie(place.cookie, path="/", httponly=True, secure=place.is_secure, samesite="Lax")
        return response

    async def show_sessions(self, visit: Visit) -> web.Response:
        return self._frame.page(
            visit, "account/account.html", sessions=await self._frame.sessions.list(visit.caller), browser_of=browser_of
        )  # fmt: skip

    async def end_session(self, visit: Visit) -> web.Response:
        if not await self._frame.sessions.end(visit.caller, visit.path["id"]):
            raise NotFound("that session is over already")
        return self._frame.see_other("/account")

    async def prefer(self, visit: Visit) -> web.Response:
        response = self._frame.see_other(local_path(visit.form.get("next")))
        wanted: Theme = next((theme for theme in THEMES if theme == visit.form.get("theme")), "auto")
        Preferences(wanted).keep(response, secure=self._frame.place.is_secure)
        return response


def pages(frame: Frame, directory: Directory | None = None) -> list[Page]:
    page = SignInPage(frame, directory)
    does = Account(frame, page)
    return [
        *entra.pages(frame, page),
        Page("GET", "/sign-in", does.show_sign_in, role=None),
        Page("POST", "/sign-in", does.sign_in, role=None),
        Page("POST", "/sign-out", does.sign_out),
        Page("GET", "/account", does.show_sessions),
        Page("POST", "/account/sessions/{id}/end", does.end_session, path_types={"id": UUID}),
        Page("POST", "/preferences", does.prefer),
    ]
