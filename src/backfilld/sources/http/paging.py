"""From one page to the next, for every way of paging that there is."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

from yarl import URL

from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import Answer, inside
from backfilld.sources.http.places import Place
from backfilld.sources.http.shape import Paging

_LINK = re.compile(r'<([^<>]*)>\s*((?:;\s*[A-Za-z]+\s*=\s*(?:"[^"]*"|[^",;\s]+)\s*)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))', re.IGNORECASE)


def first(paging: Paging) -> Place:
    """Where a listing begins."""
    if paging.kind == "page":
        return Place(1 if paging.first is None else paging.first)
    if paging.kind == "offset":
        return Place(0)
    return Place(paging.first if paging.kind == "keyset" else None)


def parameters(paging: Paging, place: Place, size: int) -> dict[str, str]:
    """What asks for the page at a place, besides what is asked for in all of them."""
    asked: dict[str, str] = {}
    if place.value is not None and paging.parameter and paging.kind not in ("link_header", "next_url"):
        asked[paging.parameter] = str(place.value)
    if paging.size_parameter:
        asked[paging.size_parameter] = str(size)
    return {**asked, **paging.order}


def behind(
    paging: Paging, place: Place, answer: Answer, document: Any, ids: Sequence[str | int], *, short_is_last: bool
) -> Place | None:
    """The place of the page behind one that had these ids; None if it was the last.

    `short_is_last`: a page with fewer records than were asked for is believed to be the last one. SourceBroken for
    what would never end, or would lead our credentials elsewhere.
    """
    match paging.kind:
        case "none":
            return None
        case "cursor":
            return _by_token(paging, place, answer, document)
        case "link_header" | "next_url":
            return _by_url(paging, place, answer, document)
    if not ids or short_is_last:
        return None
    if paging.kind == "keyset":
        _require_ascending(place, ids)
        return place.at(ids[-1])
    number = place.value if isinstance(place.value, int) else int(place.value or 0)
    return place.at(number + (1 if paging.kind == "page" else len(ids)))


def require_ascending(paging: Paging, place: Place, ids: Sequence[str | int]) -> None:
    """SourceBroken if the ids of a page are not in the order that its place goes by."""
    if paging.kind == "keyset" and ids:
        _require_ascending(place, ids)


def _require_ascending(place: Place, ids: Sequence[str | int]) -> None:
    before = place.value
    for id in ids:
        goes_back = id <= before if isinstance(id, int) and isinstance(before, int) else id == before
        if goes_back:
            raise SourceBroken(f"the ids do not ascend: {str(id)[:60]!r} comes behind {str(before)[:60]!r}")
        before = id


def _by_token(paging: Paging, place: Place, answer: Answer, document: Any) -> Place | None:
    token = answer.headers.get(paging.cursor_header.lower()) if paging.cursor_header else None
    if paging.cursor:
        token = inside(document, paging.cursor)
    if token is None or token == "":
        return None
    if not isinstance(token, str | int):
        raise SourceBroken("the cursor of the next page is neither a text nor a number")
    if token == place.value:
        raise SourceBroken("the cursor of the next page is that of this one: the listing would never end")
    return place.at(token)


def _by_url(paging: Paging, place: Place, answer: Answer, document: Any) -> Place | None:
    told = next_link(answer.headers.get("link", "")) if paging.kind == "link_header" else None
    if paging.url:
        told = inside(document, paging.url)
    if not told:
        return None
    if not isinstance(told, str):
        raise SourceBroken("the address of the next page is not a text")
    following = same_origin(answer.url, told)
    if following == place.value or following == answer.url:
        raise SourceBroken("the address of the next page is that of this one: the listing would never end")
    return place.at(following)


def same_origin(url: str, told: str) -> str:
    """The whole address that one of a page leads to. SourceBroken if that is another origin."""
    try:
        following = URL(urljoin(url, told), encoded=True)
        is_same = following.origin() == URL(url, encoded=True).origin() and following.user is None
    except ValueError:
        raise SourceBroken("the address of the next page is no URL") from None
    if not is_same:
        host = following.host or "?"
        raise SourceBroken(
            f"the next page is said to be at {host[:60]!r}; credentials go to the configured origin only"
        )
    return str(following.with_fragment(None))


def next_link(header: str) -> str | None:
    """The link of a `Link` header whose relation is `next`."""
    for link in _LINK.finditer(header):
        rel = _REL.search(link[2])
        if rel is not None and "next" in (rel[1] or rel[2] or "").lower().split():
            return link[1]
    return None
