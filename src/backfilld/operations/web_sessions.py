"""Being signed in to the dashboard: how it begins, how long it lasts, and how it ends.

The browser holds 256 random bits, the database their SHA-256. What a form has to send along (the CSRF token) is made
from the same bits, so it needs no place of its own and ends with the session.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from backfilld.clock import Clock
from backfilld.domain.access.callers import Caller
from backfilld.store.admin.web_sessions import WebSession as WebSession
from backfilld.store.admin.web_sessions import WebSessionStore
from backfilld.store.connection.pool import Pool

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
LINK_LASTS = timedelta(minutes=5)
TOUCHED_EVERY = timedelta(minutes=1)
MOST_LISTED = 50
LONGEST_USER_AGENT = 300
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_KEY = "key:"


class WebSessions:
    """All sessions of the dashboard."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._store = WebSessionStore(pool)
        self._clock = clock

    async def open(self, caller: Caller, user_agent: str, *, until: datetime | None = None) -> tuple[str, WebSession]:
        """Sign somebody in: the token that his browser keeps, and the session. `until`: when his credentials end."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        expires_at = min(now + LONGEST, until or now + LONGEST)
        agent = "".join(one for one in user_agent[:LONGEST_USER_AGENT] if one.isprintable())
        session = WebSession(uuid4(), caller, now, now, expires_at, agent)
        key_id = UUID(caller.identity.removeprefix(_KEY)) if caller.identity.startswith(_KEY) else None
        await self._store.insert(session, _hash(token), key_id=key_id, seen_after=now - IDLE)
        return token, session

    async def make_link(self, key_id: UUID) -> str:
        """A token that signs in the caller of an API key once, within five minutes."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        await self._store.insert_link(_hash(token), key_id, now=now, expires_at=now + LINK_LASTS)
        return token

    async def take_link(self, token: str) -> Caller | None:
        """Whom such a token signs in; it is used up by that. None if it is not known, or no longer."""
        return await self._store.take_link(_hash(token), self._clock.now()) if _TOKEN.fullmatch(token) else None

    async def find(self, token: str) -> WebSession | None:
        """Whose token that is; None if it is unknown, or its session is over, or its key no longer what it was."""
        if not _TOKEN.fullmatch(token):
            return None
        now = self._clock.now()
        session = await self._store.find(_hash(token), now=now, seen_after=now - IDLE)
        if session is not None and now - session.last_seen_at >= TOUCHED_EVERY:
            await self._store.touch(session.id, now)
        return session

    async def list(self, caller: Caller) -> "list[WebSession]":
        """Where a caller is signed in, newest first."""
        now = self._clock.now()
        return await self._store.list(caller.identity, now=now, seen_after=now - IDLE, limit=MOST_LISTED)

    async def end(self, caller: Caller, id_: UUID) -> bool:
        """Sign out one of the caller's own; whether there was one."""
        return await self._store.end(id_, caller.identity)


def csrf_token(token: str) -> str:
    """What the forms of a session carry: whoever can only make a browser send its cookie does not know it."""
    return hmac.new(token.encode(), b"backfilld: this form is ours", hashlib.sha256).hexdigest()


def is_csrf_token(token: str, given: str) -> bool:
    """Whether a form carries what it has to."""
    return hmac.compare_digest(csrf_token(token).encode(), given.encode("utf-8", "surrogateescape"))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
