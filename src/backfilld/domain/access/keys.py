"""API keys: what they look like, and what of them may be kept.

A key is 256 random bits, so it cannot be guessed and needs no slow hash: its SHA-256 is enough to recognise it, and
all that is stored. The prefix is for people who want to tell their keys apart.
"""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backfilld.domain.access.callers import Role

ENVIRONMENT = re.compile(r"[a-z0-9]{1,20}")
_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_KEY = re.compile(rf"neo_sk_[a-z0-9]{{1,20}}_[A-Za-z0-9]{{{_SECRET_LENGTH}}}")
_SHOWN = 6  # characters of the secret in its prefix; more than 215 bits stay hidden


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: everything but the key."""

    id: UUID
    name: str
    role: Role
    prefix: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_valid(self, at: datetime) -> bool:
        """Whether it opens anything at that instant."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


def make_key(environment: str) -> str:
    """A new key; `environment` (`live`, `test`, …) is there for people to see. ValueError if it does not fit in."""
    if not ENVIRONMENT.fullmatch(environment):
        raise ValueError(f"the environment of keys must be 1 to 20 of a-z and 0-9, not {environment!r}")
    return f"neo_sk_{environment}_{''.join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))}"


def looks_like_key(text: str) -> bool:
    """Whether it is worth looking up."""
    return _KEY.fullmatch(text) is not None


def hash_of(key: str) -> bytes:
    """What is stored and looked up instead of the key: 32 bytes."""
    return hashlib.sha256(key.encode()).digest()


def prefix_of(key: str) -> str:
    """The part of a key that may be shown."""
    return key[: len(key) - _SECRET_LENGTH + _SHOWN]
