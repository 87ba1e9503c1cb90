"""Whether a request that changes something comes from one of our own pages.

Browsers say where a request was made (`Sec-Fetch-Site`); those that do not, send `Origin` with every POST. SameSite
alone does not suffice: another port of the same host is the same site, and gets the cookie.
"""

from urllib.parse import urlsplit

from aiohttp import web

from backfilld.domain.errors import Forbidden


def require_own(request: web.Request, public_url: str = "") -> None:
    """Forbidden unless one of our pages made the request. `public_url`: how people reach this place, if known."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_ours = site == "same-origin"
    else:
        own = {request.headers.get("Host", "").lower(), urlsplit(public_url).netloc.lower()} - {""}
        is_ours = _netloc(request.headers.get("Origin", "")) in own
    if not is_ours:
        raise Forbidden("this was sent from a page of another place; nothing has changed", code="foreign_origin")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def local_path(given: str, default: str = "/") -> str:
    """`given` if it is a path of ours; else `default`. `//host`, `/\\host` and the like lead elsewhere."""
    is_path = given[:1] == "/" and given[1:2] not in ("/", "\\") and "\\" not in given
    return given if is_path and given.isprintable() and len(given) <= 2_000 else default
