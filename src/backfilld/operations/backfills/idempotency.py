"""Doing a thing once, however often it is asked for.

A request under a key goes through three gates: nobody else is under way with the key (in this process, then in any),
nothing was answered under it yet, and the answer is kept by the very transaction that does the thing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.errors import Conflict
from backfilld.store.admin.idempotency import IdempotencyStore, Key, Remembered
from backfilld.store.connection.pool import Connection


class KeyReused(Conflict):
    """The key was used for a request with another body."""

    code = "idempotency_key_reused"


class KeyInUse(Conflict):
    """The first request under the key has not been answered yet."""

    code = "idempotency_key_in_use"


class AlreadyAnswered(Exception):
    """Another process answered under the same key while we were preparing to."""

    def __init__(self, remembered: Remembered) -> None:
        super().__init__("another process has answered this request")
        self.remembered = remembered


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request under a key; `body_hash` tells bodies apart."""

    key: Key
    body_hash: bytes


def hash_of(body: Any) -> bytes:
    """The same for bodies that say the same: neither the order of keys nor `1.0` for `1` matters."""
    return hashlib.sha256(json.dumps(_plain(body), sort_keys=True, separators=(",", ":")).encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Idempotency:
    """The gates. One per process: it knows which keys are under way here."""

    def __init__(self, store: IdempotencyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._under_way: set[Key] = set()

    @contextmanager
    def under_way(self, keyed: Keyed | None) -> Iterator[None]:
        """Hold the key while the body runs; KeyInUse if somebody here holds it. None: no key, nothing to hold."""
        if keyed is None:
            yield
            return
        if keyed.key in self._under_way:
            raise KeyInUse("the first request with this Idempotency-Key is still under way; ask again in a moment")
        self._under_way.add(keyed.key)
        try:
            yield
        finally:
            self._under_way.discard(keyed.key)

    async def find(self, keyed: Keyed | None, *, on: Connection | None = None) -> Remembered | None:
        """The answer that was given to the same request; KeyReused if it was given to another."""
        if keyed is None:
            return None
        found = await self._store.find(keyed.key, now=self._clock.now(), on=on)
        if found is not None and found.body_hash != keyed.body_hash:
            raise KeyReused("this Idempotency-Key was used for another request; take a new key for a new request")
        return found

    async def claim(self, keyed: Keyed | None, *, on: Connection) -> None:
        """Before the thing is done: take the key for the transaction of `on`. KeyInUse, KeyReused, AlreadyAnswered."""
        if keyed is None:
            return
        if not await self._store.try_lock(keyed.key, on=on):
            raise KeyInUse("the first request with this Idempotency-Key is still under way; ask again in a moment")
        if (found := await self.find(keyed, on=on)) is not None:
            raise AlreadyAnswered(found)

    async def keep(self, keyed: Keyed | None, answer: Any, *, status: int, on: Connection) -> None:
        """After the thing is done, in its transaction: remember what is going to be answered."""
        if keyed is not None:
            await self._store.remember(
                keyed.key, body_hash=keyed.body_hash, status=status, answer=answer, now=self._clock.now(), on=on
            )
