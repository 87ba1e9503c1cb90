"""Signing in at Microsoft Entra ID: there, and back to the page that was wanted."""

import base64
import json
from datetime import timedelta
from hmac import compare_digest

from aiohttp import web

from backfilld.api.auth.attempts import Attempt
from backfilld.api.client_addresses import CLIENT_ADDRESS
from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import BackfilldError, Forbidden, InvalidToken, NotFound, RateLimited, Unavailable
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.origin import local_path
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.account.sign_in_page import ENTRA_PATH, SignInPage

PATH = ENTRA_PATH
LASTS = timedelta(hours=12)  # a role that is taken away there is not told here
AWAY_SECONDS = 600
LONGEST_NEXT = 1_000
LONGEST_CODE = 8_192
STALE = "This sign-in took longer than ten minutes, or began in another browser. Try again."
DECLINED = "Microsoft did not sign you in: it was declined, or not finished."


class EntraPages:
    """The handlers."""

    def __init__(self, frame: Frame, page: SignInPage) -> None:
        self._frame = frame
        self._page = page
        self._cookie = f"{frame.place.cookie}-entra"

    async def leave(self, visit: Visit) -> web.Response:
        """Off to the directory; what has to come back stays in a cookie."""
        directory = self._page.directory
        if directory is None:
            raise NotFound("nobody signs in with Microsoft here")
        next_ = local_path(visit.http.query.get("next", "/"))
        if visit.session is not None:
            return self._frame.see_other(next_)
        wanted = visit.http.query.get("tenant", "")
        attempt = directory.begin(wanted if wanted in directory.tenants else directory.tenants[0])
        try:
            address = await directory.address(attempt, self._callback(visit))
        except Unavailable as problem:
            return self._refused(visit, next_, problem)
        kept = {**attempt.as_dict(), "next": next_ if len(next_) <= LONGEST_NEXT else "/"}
        response = web.Response(status=303, headers={"Location": address, "Referrer-Policy": "no-referrer"})
        value = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
        response.set_cookie(
            self._cookie, value, max_age=AWAY_SECONDS, path="/", httponly=True, secure=self._frame.place.is_secure,
            samesite="Lax",
        )  # fmt: skip
        return response

    async def come_back(self, visit: Visit) -> web.Response:
        """With a code, or with the reason why there is none."""
        directory, query = self._page.directory, visit.http.query
        kept = _kept(visit.http.cookies.get(self._cookie, ""))
        if directory is None:
            raise NotFound("nobody signs in with Microsoft here")
        attempt = Attempt.of(kept)
        is_ours = attempt is not None and directory.is_ours(attempt)
        if attempt is None or not is_ours or not _is_same(attempt.state, query.get("state", "")):
            return self._refused(visit, "/", self._frame.door.refuse(visit.http[CLIENT_ADDRESS]), STALE)
        next_, code = local_path(kept.get("next", "/")), query.get("code", "")
        if not code or len(code) > LONGEST_CODE or "error" in query:
            return self._refused(visit, next_, InvalidToken(DECLINED), DECLINED)
        try:
            caller = await directory.finish(attempt, code, self._callback(visit))
        except InvalidToken as problem:
            refusal = self._frame.door.refuse(visit.http[CLIENT_ADDRESS])
            return self._refused(visit, next_, refusal if isinstance(refusal, RateLimited) else problem)
        except (Forbidden, Unavailable) as problem:
            return self._refused(visit, next_, problem)
        return await self._welcome(visit, caller, next_)

    async def _welcome(self, visit: Visit, caller: Caller, next_: str) -> web.Response:
        until = self._frame.clock.now() + LASTS
        response = await self._page.open_session(visit, caller, next_, until=until)
        self._forget(response)
        return response

    def _refused(self, visit: Visit, next_: str, problem: BackfilldError, told: str = "") -> web.Response:
        if isinstance(problem, RateLimited):
            told = f"Too many attempts from your address. Try again in {problem.retry_after_seconds:.0f} s."
        told = told or problem.message[:1].upper() + problem.message[1:]
        told = told if told[-1:] in ".!?" else told + "."
        response = self._page.draw(visit, next_, told, status=problem.status)
        self._forget(response)
        return response

    def _forget(self, response: web.Response) -> None:
        place = self._frame.place
        response.del_cookie(self._cookie, path="/", httponly=True, secure=place.is_secure, samesite="Lax")

    def _callback(self, visit: Visit) -> str:
        """Our own address, as it was registered there."""
        place, request = self._frame.place, visit.http
        own = place.public_url.rstrip("/") or f"{'https' if place.speaks_tls else 'http'}://{request.host}"
        return f"{own}{PATH}/callback"


def _is_same(state: str, given: str) -> bool:
    return compare_digest(state.encode(), given.encode("utf-8", "surrogateescape"))


def _kept(cookie: str) -> dict[str, str]:
    """What the cookie says; nothing if it was made up."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cookie.encode("ascii", "replace")))
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def pages(frame: Frame, page: SignInPage) -> list[Page]:
    does = EntraPages(frame, page)
    return [
        Page("GET", PATH, does.leave, role=None),
        Page("GET", PATH + "/callback", does.come_back, role=None),
    ]
