"""Who looks at a page, and with which request."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from aiohttp import web

from backfilld.domain.access.callers import ROLES, Actor, Caller, Role
from backfilld.domain.errors import Unauthenticated
from backfilld.operations.web_sessions import WebSession, csrf_token
from backfilld.web.frame.forms import NO_FORM, Form
from backfilld.web.frame.preferences import Preferences


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page that passed. `session` is None for a stranger, on pages that strangers may see.

    `form` is what a POST has sent, checked to come from a page of this session.
    """

    http: web.Request
    request_id: UUID
    at: datetime
    preferences: Preferences
    path: Mapping[str, Any] = field(default_factory=dict)
    session: WebSession | None = None
    token: str = ""
    form: Form = NO_FORM

    @property
    def caller(self) -> Caller:
        """Whoever is signed in. Unauthenticated."""
        if self.session is None:
            raise Unauthenticated("sign in first")
        return self.session.caller

    @property
    def actor(self) -> Actor:
        """The same, as changes are written down."""
        return Actor(self.caller, self.request_id)

    @property
    def csrf(self) -> str:
        """What every form carries; "" for a stranger."""
        return csrf_token(self.token) if self.token else ""

    def may(self, role: Role) -> bool:
        """Whether whoever looks may do what takes that role."""
        return self.session is not None and may_of(self.session.caller.role)(role)

    @property
    def address(self) -> str:
        """The page's own path with its query, to come back to."""
        return self.http.rel_url.raw_path_qs


def may_of(role: Role) -> Callable[[Role], bool]:
    """What a role may, for what is drawn once for all of it."""
    return lambda needed: ROLES.index(role) >= ROLES.index(needed)


PageHandler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one address. `role` None: for strangers, too.

    A POST reaches its handler only from one of our own pages, and with the session's token where it takes a role.
    `is_stream`: an answer that goes on for long, and may be cut when the server stops.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: PageHandler
    role: Role | None = "viewer"
    path_types: Mapping[str, type] = field(default_factory=dict)
    is_stream: bool = False
