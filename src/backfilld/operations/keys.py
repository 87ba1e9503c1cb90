"""Making, listing and revoking API keys: over HTTP by people, and by the command line directly on the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor, Role
from backfilld.domain.access.keys import ENVIRONMENT, ApiKey, hash_of, make_key, prefix_of
from backfilld.domain.errors import Fault, Invalid, NotFound
from backfilld.store.admin import audit
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool

LONGEST_NAME = 200
DEFAULT_ENVIRONMENT = "live"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. `key` is shown this once and kept nowhere."""

    id: UUID
    key: str
    name: str
    role: Role
    expires_at: datetime | None
    kept: ApiKey


async def create_key(
    pool: Pool,
    clock: Clock,
    *,
    name: str,
    role: Role,
    actor: Actor,
    expires_at: datetime | None = None,
    environment: str = DEFAULT_ENVIRONMENT,
) -> NewKey:
    """Make a key. Invalid for a blank or long name, an expiry in the past, or an environment that does not fit."""
    now = clock.now()
    faults = _faults(name, expires_at, environment, now)
    if faults:
        raise Invalid(faults)
    key = make_key(environment)
    kept = ApiKey(uuid4(), name.strip(), role, prefix_of(key), actor.identity, now, expires_at, None, None)
    async with pool.acquire() as conn, conn.transaction():
        await KeyStore(pool).insert(conn, kept, hash_of(key))
        new = {"name": kept.name, "role": role, "prefix": kept.prefix, "expires_at": expires_at}
        subject = f"api_key/{kept.id}"
        await audit.record(conn, actor, "api_key.create", subject, at=now, new=new)
    return NewKey(kept.id, key, kept.name, role, expires_at, kept)


def _faults(name: str, expires_at: datetime | None, environment: str, now: datetime) -> list[Fault]:
    faults = []
    if not name.strip():
        faults.append(Fault("/name", "missing", "must not be blank"))
    elif len(name.strip()) > LONGEST_NAME or not name.isprintable():
        faults.append(Fault("/name", "invalid_value", f"must be at most {LONGEST_NAME} printable characters"))
    if expires_at is not None and expires_at <= now:
        faults.append(Fault("/expires_at", "in_the_past", f"must lie after now ({now:%Y-%m-%dT%H:%M:%SZ})"))
    if not ENVIRONMENT.fullmatch(environment):
        faults.append(Fault("/environment", "invalid_value", "must be 1 to 20 of a-z and 0-9"))
    return faults


class KeyOperations:
    """The same verbs over HTTP. `environment` stands in the keys that people make there."""

    def __init__(self, pool: Pool, clock: Clock, environment: str = DEFAULT_ENVIRONMENT) -> None:
        self._pool = pool
        self._clock = clock
        self._environment = environment

    async def create(self, actor: Actor, *, name: str, role: Role, expires_at: datetime | None = None) -> NewKey:
        """Make a key. Invalid for a blank or long name, or an expiry in the past."""
        return await create_key(
            self._pool, self._clock, name=name, role=role, actor=actor, expires_at=expires_at,
            environment=self._environment,
        )  # fmt: skip

    async def list(self, *, after: tuple[datetime, UUID] | None = None, limit: int) -> Sequence[ApiKey]:
        """The keys, newest first, revoked ones included."""
        return await list_keys(self._pool, after=after, limit=limit)

    async def revoke(self, actor: Actor, id: UUID, *, why: str | None = None) -> ApiKey:
        """Make the key useless, everywhere within a second. NotFound."""
        return await revoke_key(self._pool, self._clock, id, actor=actor, why=why)


async def list_keys(pool: Pool, *, after: tuple[datetime, UUID] | None = None, limit: int = 200) -> list[ApiKey]:
    """The keys, newest first, revoked ones included; `after` is (created_at, id) of the last one seen."""
    return await KeyStore(pool).list(after=after, limit=limit)


async def revoke_key(pool: Pool, clock: Clock, id_: UUID, *, actor: Actor, why: str | None = None) -> ApiKey:
    """Make the key useless, everywhere within a second. Revoking twice changes nothing. NotFound."""
    now = clock.now()
    async with pool.acquire() as conn, conn.transaction():
        found = await KeyStore(pool).revoke(conn, id_, now)
        if found is None:
            raise NotFound(f"there is no API key {id_}")
        key, revoked_now = found
        if revoked_now:
            old = {"name": key.name, "role": key.role, "prefix": key.prefix}
            subject = f"api_key/{key.id}"
            await audit.record(conn, actor, "api_key.revoke", subject, at=now, reason=why, old=old)
    return key
