"""Knows API keys.

A key that was just looked up is believed for half a second, so that a busy client does not cost a query per request
and a revoked key is still out within a second. When it was last used is written now and then, beside the request.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog

from backfilld.clock import Clock
from backfilld.domain.access.callers import Caller
from backfilld.domain.access.keys import ApiKey, hash_of, looks_like_key
from backfilld.store.admin.keys import KeyStore

log = structlog.get_logger(__name__)

BELIEVED_SECONDS = 0.5
TOUCHED_EVERY_SECONDS = 60.0
_MOST_REMEMBERED = 1_000

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Believed:
    key: ApiKey
    until: float


class KeyAuthenticator:
    """An `Authenticator` for `neo_sk_…` tokens."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._believed: OrderedDict[bytes, _Believed] = OrderedDict()
        self._touched: OrderedDict[UUID, float] = OrderedDict()
        self._writing: set[asyncio.Task[None]] = set()

    async def authenticate(self, token: str) -> Caller | None:
        """The service account of a valid key. Errors of the database pass through."""
        if not looks_like_key(token):
            return None
        key = await self._find(hash_of(token))
        if key is None or not key.is_valid(self._clock.now()):
            return None
        self._touch(key.id)
        return Caller(f"key:{key.id}", key.name, key.role, "key")

    async def _find(self, key_hash: bytes) -> ApiKey | None:
        now = self._clock.monotonic()  # before the look-up: what was read cannot be older than this
        believed = self._believed.get(key_hash)
        if believed is not None and now < believed.until:
            return believed.key
        key = await self._store.find_by_hash(key_hash)
        self._believed.pop(key_hash, None)
        if key is not None:
            _remember(self._believed, key_hash, _Believed(key, now + BELIEVED_SECONDS))
        return key

    def _touch(self, id_: UUID) -> None:
        now = self._clock.monotonic()
        if now < self._touched.get(id_, float("-inf")) + TOUCHED_EVERY_SECONDS:
            return
        _remember(self._touched, id_, now)
        task = asyncio.create_task(self._write_use(id_), name=f"key-used/{id_}")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_use(self, id_: UUID) -> None:
        try:
            await self._store.touch(id_, self._clock.now())
        except Exception as problem:  # nobody waits for this, and the next use writes it again
            log.debug("last use of a key not written", key_id=str(id_), error=repr(problem))

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._writing)


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)
