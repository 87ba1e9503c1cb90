"""What the configuration says of a Temporal server or namespace."""

from dataclasses import dataclass, field
from importlib.util import find_spec

TEMPORAL = "temporal"
HOW_TO_INSTALL = "pip install 'backfilld[temporal]'"


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """How the server is told from others, and we from others. Names are those of secrets, which hold PEM."""

    ca: bytes | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class TemporalTerms:
    """`tls` None: plain text, unless there is an API key. `api_key` is the name of a secret.

    `starts_per_second` bounds what this daemon starts there, all backfills together; of the items that are waited for
    `max_waiting` have a long poll each, and those beyond are asked by turns. A queue on which nobody has worked for
    `no_workers_after_seconds` gets no more.
    """

    address: str
    namespace: str = "default"
    api_key: str | None = None
    tls: TlsTerms | None = None
    starts_per_second: float = 50.0
    max_waiting: int = 500
    no_workers_after_seconds: float = 60.0
    ui_url: str | None = None
    identity: str = field(default="backfilld")


def is_installed() -> bool:
    """Whether the SDK is there, without loading it."""
    return find_spec("temporalio") is not None
