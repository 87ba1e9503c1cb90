"""One item as a request, signed by the rules of Standard Webhooks."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from yarl import URL

from backfilld import __version__
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.base import Work
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.definitions.parts import ProjectSecretReference, SecretReference
from backfilld.executors.http.signing import Signer, signatures, signing_key
from backfilld.executors.payload import BodyWriter
from backfilld.executors.secrets import Secret, SecretMissing, SecretStore, UnusableSecret
from backfilld.executors.templates.header_values import header_value_is_fit


def url_of(text: str) -> URL:
    """A checked URL, to be sent as it is written; only its origin is put into the form that compares."""
    netloc = urlsplit(text).netloc
    url = URL(text.replace(netloc, netloc.lower(), 1), encoded=True)
    return url.with_port(None) if url.is_default_port() else url


class RequestWriter:
    """Requests of one executor as bytes; what is the same in all of them is put together once.

    SecretMissing or UnusableSecret if the secrets that the executor names cannot be used.
    """

    def __init__(
        self, executor: HttpExecutor, secrets: SecretStore, of_project: Mapping[str, str] | None = None
    ) -> None:
        known = Known(secrets, of_project or {})
        headers, confidential = _headers(executor, known)
        self._signers: tuple[Signer, ...] = ()
        if executor.secret is not None:
            values = known.secret(executor.secret).reveal()
            self._signers = tuple(Signer(signing_key(value)) for value in values)
            confidential += values
        self.without_secrets = Hiding(confidential)
        self._shared = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._bodies = BodyWriter()
        self._start_url: URL | None = None
        self._start = ""

    def post(self, url: URL, work: Work, timestamp: int) -> bytes:
        """The request that starts an item."""
        if url is not self._start_url:  # the same for all items, unless something is put into it
            self._start_url, self._start = url, self._beginning("POST", url) + "Content-Type: application/json\r\n"
        body = self._bodies.body(work)
        own = self._own(work.idempotency_key, timestamp, body)
        return f"{self._start}{own}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def templated(self, method: str, url: URL, key: str, body: bytes | None, timestamp: int) -> bytes:
        """A request that a definition spells out, under `key`."""
        kind = "" if body is None else "Content-Type: application/json\r\n"
        own = self._own(key, timestamp, body or b"")
        length = "" if method == "GET" else f"Content-Length: {len(body or b'')}\r\n"
        return f"{self._beginning(method, url)}{kind}{own}{length}\r\n".encode() + (body or b"")

    def get(self, url: URL, work: Work, timestamp: int) -> bytes:
        """The request that asks whether the item is done; signed over an empty body."""
        own = self._own(work.idempotency_key, timestamp, b"")
        return f"{self._beginning('GET', url)}{own}\r\n".encode()

    def _beginning(self, method: str, url: URL) -> str:
        return f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n{self._shared}"

    def _own(self, key: str, timestamp: int, body: bytes) -> str:
        """The headers that no other request has."""
        if not key.isprintable() or not key.isascii():
            raise ValueError("the idempotency key cannot be the value of a header")
        # Nobody has to be unable to guess it, so it need not come from the kernel.
        drawn = random.randbytes(24).hex()
        signature = f"webhook-signature: {signatures(self._signers, key, timestamp, body)}\r\n" if self._signers else ""
        return (
            f"webhook-id: {key}\r\nwebhook-timestamp: {timestamp}\r\n{signature}Idempotency-Key: {key}\r\n"
            f"traceparent: 00-{drawn[:32]}-{drawn[32:]}-01\r\n"
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
