"""A namespace of Temporal, whose workers do the work."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from backfilld.config.fields import FilePath, Name, Section
from backfilld.executors.definitions.parts import SecretReference


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or "/" in value or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("must be host:port, such as temporal.example.com:7233")
    return value


class TemporalTlsSettings(Section):
    """How the server is told from others, and we from others."""

    ca_file: FilePath | None = Field(
        default=None, description="PEM of the authority that signed the server's certificate; left out: the system's."
    )
    certificate: SecretReference | None = Field(default=None, description="Ours, as PEM; with `key` (mTLS).")
    key: SecretReference | None = Field(default=None, description="The key to it, as PEM.")
    server_name: Name | None = Field(default=None, description="The name in the server's certificate, if another.")

    @model_validator(mode="after")
    def _both(self) -> "TemporalTlsSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` need each other")
        return self


class TemporalLimitSettings(Section):
    """How much of it is used, by this daemon."""

    starts_per_second: float = Field(
        default=50.0,
        ge=0.01,
        le=10_000,
        allow_inf_nan=False,
        description="Runs started a second, at most, all backfills together; fewer while the namespace throttles.",
    )
    max_waiting: int = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Runs that are waited for by a long poll each; those beyond are asked by turns, every 10 s.",
    )


class TemporalEngineSettings(Section):
    """A namespace of Temporal, whose workers do the work. Needs: pip install 'backfilld[temporal]'."""

    type: Literal["temporal"]
    address: Annotated[str, AfterValidator(_address)] = Field(
        examples=["temporal.example.com:7233"], description="Where its frontend listens, host:port."
    )
    namespace: Name = Field(default="default", examples=["backfills"], description="The namespace that runs are in.")
    api_key: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "temporal_key"}],
        description="The API key that lets us in; with it the connection is TLS.",
    )
    tls: bool | TemporalTlsSettings = Field(
        default=False,
        examples=[{"ca_file": "/etc/backfilld/ca.pem", "server_name": "temporal.internal"}],
        description="true: by public certificates. Or {ca_file, certificate, key, server_name}; with `certificate` and"
        " `key`, which are secrets, mTLS.",
    )
    limits: TemporalLimitSettings = Field(
        default=TemporalLimitSettings(),
        examples=[{"starts_per_second": 50.0, "max_waiting": 500}],
        description="Runs started a second, all backfills together, and runs that are waited for by a long poll each;"
        " those beyond are asked by turns, every 10 s.",
    )
    no_workers_after_seconds: float = Field(
        default=60.0,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds without a worker after which nothing more is started on a queue (`no_workers`).",
    )

    @model_validator(mode="after")
    def _key_over_tls(self) -> "TemporalEngineSettings":
        if "tls" in self.model_fields_set and self.tls is False and self.api_key is not None:
            raise ValueError("an API key is sent over TLS only: leave `tls` out")
        return self

    def secret_names(self) -> Iterator[str]:
        """Every secret that it uses."""
        mtls = (self.tls.certificate, self.tls.key) if isinstance(self.tls, TemporalTlsSettings) else ()
        yield from (reference.secret for reference in (self.api_key, *mtls) if reference is not None)
