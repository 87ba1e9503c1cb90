"""The settings of the database: which one, how it is trusted, and what stands in between."""

import ssl
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, model_validator

from backfilld.config.fields import Dsn, FilePath, Section
from backfilld.config.sections.tls import UnusableCertificate
from backfilld.store.connection.address import Address, with_parameters, writing


class DatabaseSettings(Section):
    """The memory of the daemon. Back it up: docs/database.md, also for TLS, roles and poolers."""

    mode: Literal["embedded", "external"] | None = Field(
        default=None,
        examples=["external"],
        description="'embedded' runs a PostgreSQL below [state]; 'external' refuses to start without a DSN."
        " Default: external if there is a DSN, else embedded.",
    )
    dsn: Dsn | None = Field(
        default=None,
        examples=["postgresql://backfilld:password@db.example.com:5432/backfilld"],
        description="postgresql://user:password@host:port/database (PostgreSQL 14 or newer). Better kept out of this"
        " file: dsn_file, a credential named 'dsn', or BACKFILLD_DATABASE__DSN.",
    )
    dsn_file: FilePath | None = Field(
        default=None, examples=["/etc/backfilld/dsn"], description="A file that holds the DSN and nothing else."
    )
    pool_size: int = Field(
        default=10,
        ge=2,
        le=200,
        description="Connections at most. More helps only if many people read at once; the engine needs three.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        examples=["/etc/backfilld/db-ca.pem"],
        description="The CA that signed the server's certificate, in PEM. Then the connection is encrypted, and"
        " certificate and host name are checked (sslmode=verify-full, whatever the DSN says).",
    )
    schema_name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = Field(
        default=None,
        examples=["backfilld"],
        description="The schema of our tables, made at the first migration. Default: where the role's search_path"
        " leads, which is 'public' mostly.",
    )
    pooled: bool = Field(
        default=False,
        description="The DSN leads through a pooler in transaction mode. Needs direct_dsn, or"
        " migrate_on_start = false.",
    )
    direct_dsn: Dsn | None = Field(
        default=None,
        examples=["postgresql://backfilld:password@db.example.com:5432/backfilld"],
        description="With pooled: the server itself, for what needs a session of its own: five connections.",
    )
    migrate_on_start: bool = Field(
        default=True,
        description="Bring the schema up to date at start. false: run `backfilld migrate` before a new version.",
    )

    @model_validator(mode="after")
    def _fits(self) -> "DatabaseSettings":
        given = self.dsn is not None or self.dsn_file is not None
        if self.dsn is not None and self.dsn_file is not None:
            raise ValueError("dsn and dsn_file exclude each other")
        if self.mode == "external" and not given:
            raise ValueError(
                "mode is 'external', but there is no DSN: set dsn_file, a credential named 'dsn',"
                " or BACKFILLD_DATABASE__DSN"
            )
        if self.mode == "embedded" and given:
            raise ValueError("mode is 'embedded', but there is a DSN: remove one of them")
        if not given and (self.pooled or self.direct_dsn is not None or self.ca_file is not None):
            raise ValueError("pooled, direct_dsn and ca_file are for an external database: set a DSN")
        if self.pooled and self.migrate_on_start and self.direct_dsn is None:
            raise ValueError(
                "with pooled, migrations need a way around the pooler: set direct_dsn, or migrate_on_start = false"
                " and run `backfilld migrate` with a configuration that is not pooled"
            )
        return self

    @property
    def is_embedded(self) -> bool:
        """True if the daemon runs its own PostgreSQL."""
        return self.dsn is None and self.dsn_file is None

    def read_dsn(self) -> str:
        """The DSN of the external database, from wherever it is kept; OSError if its file cannot be read."""
        if self.dsn_file is not None:
            return self.dsn_file.read_text(encoding="utf-8").strip()
        if self.dsn is None:
            raise ValueError("the database is embedded")
        return self.dsn.get_secret_value()

    def read_address(self) -> Address:
        """How requests and the engine reach the external database; OSError if the DSN's file cannot be read."""
        return Address(self._trusting(self.read_dsn()), self.schema_name, self.pooled)

    def read_direct_address(self) -> Address | None:
        """The same database with a session for each connection; None if there is no such way."""
        if not self.pooled:
            return self.read_address()
        if self.direct_dsn is None:
            return None
        return Address(self._trusting(self.direct_dsn.get_secret_value()), self.schema_name)

    def check_ca(self) -> None:
        """OSError if the CA's file cannot be read, UnusableCertificate if no certificate is in it."""
        if self.ca_file is None:
            return
        self.ca_file.open("rb").close()
        try:
            found = ssl.create_default_context(cafile=self.ca_file)
        except ssl.SSLError as problem:
            raise UnusableCertificate(f"not what is expected there: certificates in PEM ({problem.reason})") from None
        if not found.get_ca_certs():
            raise UnusableCertificate("holds no certificate of a CA")

    def check_dsn_files(self) -> None:
        """OSError if a file that the DSN names cannot be read, UnusableCertificate for a word that we cannot obey."""
        dsns = [self.read_dsn()] if not self.is_embedded else []
        dsns += [self.direct_dsn.get_secret_value()] if self.direct_dsn is not None else []
        for dsn in dsns:
            check_files_of(dsn, other_ca=self.ca_file is not None)

    def _trusting(self, dsn: str) -> str:
        """The DSN with our CA, whatever else it says about trust; of several servers, the one that takes changes."""
        dsn = writing(dsn)
        if self.ca_file is None:
            return dsn
        return with_parameters(dsn, [("sslmode", "verify-full"), ("sslrootcert", str(self.ca_file.absolute()))])


def check_files_of(dsn: str, *, other_ca: bool = False) -> None:
    """As `check_dsn_files`, for any DSN. `other_ca`: its own sslrootcert is not looked at by anybody."""
    try:
        parameters = parse_qsl(urlsplit(dsn).query)
    except ValueError:  # no URL at all, as whoever connects will say
        return
    for name, value in parameters:
        if name == "sslrootcert" and other_ca:
            continue
        if name == "sslrootcert" and value == "system":
            bundle = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
            raise UnusableCertificate(f"sslrootcert=system is not known here: name the file, as {bundle}")
        if name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
            with open(value, "rb"):
                pass
