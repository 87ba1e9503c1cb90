"""How somebody likes the pages: kept by his browser, for no session is needed to read them."""

from dataclasses import dataclass
from typing import Literal, get_args

from aiohttp import web

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
COOKIE = "bf-theme"
KEPT_SECONDS = 400 * 86_400  # the longest that browsers keep a cookie


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the server draws differently for it."""

    theme: Theme = "auto"

    @staticmethod
    def of(request: web.Request) -> "Preferences":
        """As the browser sends them; what is not known counts as not said."""
        given = request.cookies.get(COOKIE)
        return Preferences(next((theme for theme in THEMES if theme == given), "auto"))

    def keep(self, response: web.Response, *, secure: bool) -> None:
        """Let the browser send them from now on."""
        response.set_cookie(
            COOKIE, self.theme, max_age=KEPT_SECONDS, path="/", httponly=True, secure=secure, samesite="Lax"
        )
