"""Where the entities of a type are listed, and what is known of their fields."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import Name, Seconds, Section
from backfilld.config.sections.apis.http_types import HttpSettings
from backfilld.domain.entities.pair_lists import parse_members
from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import did_you_mean
from backfilld.domain.filters import parse_path
from backfilld.executors.definitions.parts import SecretReference, Zone

MOST_QUERY = 100_000
MOST_INDEXES = 8  # each is written with every upload


def read_only_query(value: str) -> str:
    """A statement that may stand in brackets; ValueError."""
    if value.rstrip().endswith(";"):
        raise ValueError("must be one statement without a semicolon behind it")
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


def _path(field: str) -> str:
    parse_path(field)
    return field


def _members(word: str) -> str:
    parse_members(word)
    return word


class SqlSettings(Section):
    """Entities listed by a query on any PostgreSQL (14 or newer), in read-only transactions."""

    dsn: SecretReference = Field(
        description="The secret that holds the DSN (postgresql://user:password@host/database). Its user needs SELECT."
    )
    query: Annotated[str, Field(min_length=1, max_length=MOST_QUERY), AfterValidator(read_only_query)] = Field(
        description="One SELECT, without semicolon and parameters. Every column becomes an attribute."
    )
    key: Name = Field(default="id", description="The column that is the id: unique, never null, best a primary key.")
    updated_at: Name | None = Field(
        default=None,
        examples=["changed_at"],
        description="The column that says when an entity changed, for newest_first and oldest_first.",
    )
    timezone: Zone = Field(default="UTC", description="IANA name: where times without a zone are.")
    statement_timeout_seconds: Seconds = Field(
        default=60.0, description="Seconds that one statement may take; beyond it the source counts as not answering."
    )
    page_size: int = Field(default=5000, ge=1, le=50_000, description="Rows that one statement brings, at most.")
    on_bad_row: Literal["fail", "skip"] = Field(
        default="fail",
        examples=["skip"],
        description="What a row that cannot be read does (a value that is no JSON, a key that is no id): 'fail'"
        " (default) ends the backfill and names the row, 'skip' leaves it out, counts it, and goes on.",
    )
    plan_outside_windows: bool = Field(
        default=True, description="false: listing waits for a window too, to spare that database during the day."
    )


class EntityTypeSettings(Section):
    """What is known about the entities of one type."""

    fields: dict[Name, FieldType] = Field(
        default_factory=dict,
        examples=[{"priority": "integer", "closed_at": "date"}],
        description="Types of attributes: string, number, integer, boolean or date. A filter compares as this says.",
    )
    lists: dict[Annotated[Name, AfterValidator(_path)], Annotated[str, AfterValidator(_members)]] = Field(
        default_factory=dict,
        examples=[{"userDefinedFields": "name_value", "customFields": "caption_value"}],
        description='Attributes that are lists of pairs, made objects: [{"name": "Site", "value": 1}] is {"Site": 1}.'
        " The word names the two members.",
    )
    time_field: Name | None = Field(
        default=None,
        examples=["closed_at"],
        description="The attribute that newest_first and oldest_first sort by; default: updated_at.",
    )
    indexes: list[Annotated[Name, AfterValidator(_path)]] = Field(
        default_factory=list,
        max_length=MOST_INDEXES,
        examples=[["status", "address.country"]],
        description="Attributes of our own entity table that filters ask for: an index of each is made in the"
        " background, and removed when it stands here no more. SIGHUP reads them.",
    )
    source: Literal["builtin", "sql", "http"] = Field(
        default="builtin",
        examples=["sql"],
        description="Where they are listed: 'builtin' (default) is our own entity table, 'sql' a query elsewhere,"
        " 'http' an API.",
    )
    sql: SqlSettings | None = Field(default=None, description="For source 'sql'.")
    http: HttpSettings | None = Field(default=None, description="For source 'http'.")

    @model_validator(mode="after")
    def _one_source(self) -> "EntityTypeSettings":
        if self.source == "sql" and self.sql is None:
            raise ValueError("source is 'sql', but there is no [entity_types.….sql] that says which query")
        if self.source != "sql" and self.sql is not None:
            raise ValueError("there is a query in [….sql], but source is not 'sql'; set source = \"sql\"")
        if self.source == "http" and self.http is None:
            raise ValueError("source is 'http', but there is no [entity_types.….http] that says which connection")
        if self.source != "http" and self.http is not None:
            raise ValueError("there is a connection in [….http], but source is not 'http'; set source = \"http\"")
        if self.source != "builtin" and self.indexes:
            raise ValueError(
                f"indexes are made in our own entity table, and source is '{self.source}'; make them where its entities"
                " are, and leave 'indexes' out"
            )
        return self

    @field_validator("indexes")
    @classmethod
    def _each_once(cls, fields: list[str]) -> list[str]:
        twice = [field for place, field in enumerate(fields) if parse_path(field) in map(parse_path, fields[:place])]
        if twice:
            raise ValueError(f"'{twice[0]}' stands there twice")
        return fields


def faults_in_entity_types(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: secrets that there are not. Read from the raw tree."""
    types, secrets = tree.get("entity_types"), tree.get("secrets")
    known = list(secrets) if isinstance(secrets, dict) else []
    for name, settings in types.items() if isinstance(types, dict) else ():
        sql = settings.get("sql") if isinstance(settings, dict) else None
        dsn = sql.get("dsn") if isinstance(sql, dict) else None
        secret = dsn.get("secret") if isinstance(dsn, dict) else None
        if isinstance(secret, str) and secret not in known:
            message = f"there is no secret '{secret}'{did_you_mean(secret, known)}"
            yield ConfigFault(where, dotted(("entity_types", name, "sql", "dsn", "secret")), message)
