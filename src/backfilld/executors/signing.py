"""How a target knows that a request is ours: the signature of Standard Webhooks.

A few lines of our own, held against the reference library in the tests. During a rotation a secret has two values
and a request two signatures, so that the target may change over whenever it likes.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"


class UnusableSecret(ValueError):
    """The secret cannot be a signing key; the message does not repeat it."""


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


def signatures(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one `v1,<base64>` for each key, separated by blanks."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
