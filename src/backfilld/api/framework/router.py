"""Which route a request is for.

Paths are compared as they came, segment by segment, and decoded afterwards, so that an entity id may hold a slash
(`%2F`), a brace or a percent sign. A fixed segment wins over a placeholder.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from backfilld.api.framework.answering.responses import DIGDAG_PREFIX
from backfilld.api.framework.reading.fields import LARGEST_ID
from backfilld.api.framework.routing import Route
from backfilld.domain.errors import NotFound

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and the placeholders of its path as they came."""

    route: Route
    raw: Mapping[str, str]

    def path(self) -> dict[str, Any]:
        """The placeholders decoded and converted; NotFound if one cannot be: a malformed id names nothing."""
        kinds = self.route.path_types
        return {name: _converted(raw, kinds.get(name, str)) for name, raw in self.raw.items()}


@dataclass(frozen=True, slots=True)
class OtherMethods:
    """The path exists, but not with this method."""

    allowed: tuple[str, ...]


class Router:
    """All routes of a server. ValueError for two routes of the same method and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_shape: dict[tuple[str, ...], dict[str, Route]] = {}
        self._by_length: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            segments = _segments(route.path)
            shape = tuple("{}" if part[:1] == "{" else part for part in segments)
            if shape not in by_shape:
                by_shape[shape] = {}
                self._by_length.setdefault(len(segments), []).append((segments, by_shape[shape]))
            _add(by_shape[shape], route)
        for entries in self._by_length.values():
            entries.sort(key=lambda entry: [segment.startswith("{") for segment in entry[0]])

    def find(self, method: str, raw_path: str) -> Match | OtherMethods | None:
        """The route for a request; the methods that its path has, if not this one; None if there is no such path."""
        segments = _segments(_without_last_slash(raw_path))
        allowed: set[str] = set()
        for pattern, methods in self._by_length.get(len(segments), ()):
            if not all(_fits(part, given) for part, given in zip(pattern, segments, strict=True)):
                continue
            if allowed and not _names_something(next(iter(methods.values())), segments):
                continue  # `preview` is a path of its own, and no id
            route = methods.get(method)
            if route is not None:
                return _matched(route, segments)
            allowed.update(methods)
        return OtherMethods(tuple(sorted(allowed))) if allowed else None


def _add(methods: dict[str, Route], route: Route) -> None:
    if route.method in methods:
        raise ValueError(f"two routes answer {route.method} {route.path}")
    methods[route.method] = route
    if route.method == "GET" and not route.streams:
        methods["HEAD"] = route


def _matched(route: Route, segments: tuple[str, ...]) -> Match:
    names = zip(_segments(route.path), segments, strict=True)
    return Match(route, {part[1:-1]: given for part, given in names if part[:1] == "{"})


def _names_something(route: Route, segments: tuple[str, ...]) -> bool:
    try:
        _matched(route, segments).path()
    except NotFound:
        return False
    return True


def _without_last_slash(path: str) -> str:
    """In the dialect a slash at the end means nothing, as with digdag; one of its clients writes it."""
    return path.removesuffix("/") if path.startswith(DIGDAG_PREFIX) else path


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def _fits(part: str, given: str) -> bool:
    return given != "" if part[:1] == "{" else part == given


def _converted(raw: str, kind: type) -> Any:
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise _nothing() from None
    if kind is UUID and _UUID.fullmatch(text):
        return UUID(text)
    if kind is int and _NUMBER.fullmatch(text) and int(text) <= LARGEST_ID:
        return int(text)
    if kind is str and text and "\0" not in text:
        return text
    raise _nothing()


def _nothing() -> NotFound:
    return NotFound("there is no such thing: the id in the path is malformed")
