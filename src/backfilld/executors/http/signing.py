"""How a target knows that a request is ours: the signature of Standard Webhooks.

A few lines of our own, held against the reference library in the tests. During a rotation a secret has two values
and a request two signatures, so that the target may change over whenever it likes.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable

from backfilld.executors.secrets import UnusableSecret

PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: `whsec_<base64>` is decoded (padding optional), other text taken as it is."""
    if not secret.startswith(PREFIX):
        key = secret.encode()
    else:
        text = secret.removeprefix(PREFIX).rstrip("=")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise UnusableSecret(f"what follows {PREFIX} is not base64") from None
    if not key:
        raise UnusableSecret("the signing secret is empty")
    return key


class Signer:
    """Signs with one key, which is worked into the hash once instead of per message."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def signature(self, message_id: str, timestamp: int, body: bytes) -> str:
        """`v1,<base64>`."""
        signed = self._keyed.copy()
        signed.update(b"%s.%d.%s" % (message_id.encode(), timestamp, body))
        return "v1," + binascii.b2a_base64(signed.digest(), newline=False).decode()


def signatures(signers: Iterable[Signer], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one for each key, separated by blanks."""
    return " ".join([signer.signature(message_id, timestamp, body) for signer in signers])
