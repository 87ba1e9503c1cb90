"""What a target receives: one item as JSON, in a request signed by the rules of Standard Webhooks."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import orjson
from yarl import URL

from backfilld import __version__
from backfilld.executors.base import Work
from backfilld.executors.definition import HttpExecutor, ProjectSecretReference, SecretReference
from backfilld.executors.definition_rules import header_value_is_fit
from backfilld.executors.secrets import Secret, SecretMissing, SecretStore
from backfilld.executors.signing import UnusableSecret, signatures, signing_key

HIDDEN = "[secret]"  # never longer than what it hides: a shorter "secret" stands in too many innocent words


def url_of(text: str) -> URL:
    """A checked URL, to be sent as it is written; only its origin is put into the form that compares."""
    netloc = urlsplit(text).netloc
    url = URL(text.replace(netloc, netloc.lower(), 1), encoded=True)
    return url.with_port(None) if url.is_default_port() else url


def item_body(work: Work) -> bytes:
    """The item as JSON (API §3.4)."""
    item = {
        "workflow": {"id": work.workflow_id, "name": work.workflow_name},
        "backfill": None if work.backfill_id is None else {"id": work.backfill_id, "name": work.backfill_name},
        **_subject(work),
        "params": work.params,
        "rehearsal": work.rehearsal,
        "attempt": work.attempt,
        "idempotency_key": work.idempotency_key,
    }
    try:
        return orjson.dumps(item, default=_plain)
    except TypeError:  # an integer beyond 64 bits, or half a surrogate pair: the slow way can do both
        return json.dumps(item, default=_plainer).encode()


def _subject(work: Work) -> dict[str, Any]:
    """What the item is about."""
    if work.session is not None:
        return {"session": work.session}
    return {
        "entity": {
            "id": work.entity_id,
            "type": work.entity_type,
            "attributes": work.attributes,
            "as_of": work.as_of,
        }
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))  # a number, to the last digit
    return str(value)


def _plainer(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


class Hiding:
    """Takes secrets out of texts: a target may echo in an error what we sent."""

    def __init__(self, confidential: Iterable[str]) -> None:
        self._values = [value for value in confidential if len(value) >= len(HIDDEN)]

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, HIDDEN)
        return text


class RequestWriter:
    """Requests of one executor as bytes; what is the same in all of them is put together once.

    SecretMissing or UnusableSecret if the secrets that the executor names cannot be used.
    """

    def __init__(
        self, executor: HttpExecutor, secrets: SecretStore, of_project: Mapping[str, str] | None = None
    ) -> None:
        known = Known(secrets, of_project or {})
        headers, confidential = _headers(executor, known)
        self._keys: tuple[bytes, ...] = ()
        if executor.secret is not None:
            values = known.secret(executor.secret).reveal()
            self._keys = tuple(signing_key(value) for value in values)
            confidential += values
        self.without_secrets = Hiding(confidential)
        self._shared = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def post(self, url: URL, work: Work, timestamp: int) -> bytes:
        """The request that starts an item."""
        body = item_body(work)
        head = self._head("POST", url, work.idempotency_key, timestamp, body)
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def get(self, url: URL, work: Work, timestamp: int) -> bytes:
        """The request that asks whether the item is done; signed over an empty body."""
        return (self._head("GET", url, work.idempotency_key, timestamp, b"") + "\r\n").encode()

    def _head(self, method: str, url: URL, key: str, timestamp: int, body: bytes) -> str:
        if not key.isprintable() or not key.isascii():
            raise ValueError("the idempotency key cannot be the value of a header")
        trace = os.urandom(24).hex()
        signature = f"webhook-signature: {signatures(self._keys, key, timestamp, body)}\r\n" if self._keys else ""
        return (
            f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n{self._shared}"
            f"webhook-id: {key}\r\nwebhook-timestamp: {timestamp}\r\n{signature}Idempotency-Key: {key}\r\n"
            f"traceparent: 00-{trace[:32]}-{trace[32:]}-01\r\n"
        )


@dataclass(frozen=True, slots=True)
class Known:
    """Where secrets are looked up: those of this installation, and those of the workflow's project."""

    installation: SecretStore
    project: Mapping[str, str]

    def secret(self, reference: SecretReference | ProjectSecretReference) -> Secret:
        """SecretMissing."""
        if isinstance(reference, SecretReference):
            return self.installation.get(reference.secret)
        secret = Secret(self.project.get(reference.project_secret, ""))
        if not secret:
            raise SecretMissing(reference.project_secret, of_project=True)
        return secret


def _headers(executor: HttpExecutor, secrets: Known) -> tuple[dict[str, str], tuple[str, ...]]:
    """The headers of every request, and those of their values that are secret."""
    headers = {"User-Agent": f"backfilld/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    own = {name.lower(): name for name in headers}
    confidential: tuple[str, ...] = ()
    for name, value in executor.headers.items():
        if isinstance(value, SecretReference | ProjectSecretReference):
            text = secrets.secret(value).present
            if not header_value_is_fit(text):
                raise UnusableSecret(f"the secret of the header '{name}' has characters that a header may not have")
            confidential += (text,)
        else:
            text = value
        headers[own.get(name.lower(), name)] = text
    return headers, confidential
