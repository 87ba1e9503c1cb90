"""Entity types that are listed by an API: what is asked for, and what is known of the answers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import Name, Section
from backfilld.domain.entities.pair_lists import parse_members
from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import did_you_mean
from backfilld.domain.filters import parse_path, read_filter
from backfilld.domain.filters.operators import OPERATORS

LOCAL_MARGIN_SECONDS = 26 * 3600.0  # a date alone is a local midnight, up to so far from that of UTC


def _path(field: str) -> str:
    if field:
        parse_path(field)
    return field


def _members(word: str) -> str:
    parse_members(word)
    return word


def _template(path: str, *known: str) -> str:
    blanked = path
    for name in known:
        blanked = blanked.replace("{" + name + "}", "")
    if "{" in blanked or "}" in blanked:
        raise ValueError(f"has an unknown placeholder; {' and '.join('{' + name + '}' for name in known)} is known")
    if not path.startswith("/"):
        raise ValueError("must begin with a slash")
    if any(part in ("..", ".") for part in path.split("/")) or "?" in path or "#" in path:
        raise ValueError("must be a plain path; parameters have a table of their own")
    return path


def _list_path(path: str) -> str:
    return _template(path, "parent")


def _one_path(path: str) -> str:
    return _template(path, "parent", "id")


def _filter(spec: dict[str, Any]) -> dict[str, Any]:
    read = read_filter(spec, "")
    if read.faults:
        raise ValueError("; ".join(f"{fault.path or 'the filter'}: {fault.message}" for fault in read.faults))
    return spec


BodyPath = Annotated[str, AfterValidator(_path)]
ListPath = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_list_path)]
Filter = Annotated[dict[str, JsonValue], AfterValidator(_filter)]


class PagingSettings(Section):
    """How one gets from a page to the next."""

    type: Literal["keyset", "page", "offset", "cursor", "link_header", "next_url", "none"]
    parameter: Name | None = None
    size_parameter: Name | None = None
    size: int = Field(default=100, ge=1, le=50_000)
    order: dict[Name, str] = Field(default_factory=dict)
    first: str | int | None = None
    total: BodyPath | None = None
    cursor: BodyPath | None = None
    cursor_header: Name | None = None
    url: BodyPath | None = None

    @model_validator(mode="after")
    def _whole(self) -> "PagingSettings":
        if self.type in ("keyset", "page", "offset", "cursor") and self.parameter is None:
            raise ValueError(f"paging by {self.type} needs a parameter")
        if self.type == "keyset" and not self.order:
            raise ValueError("paging by keyset needs an order: what makes the API give ascending ids")
        if self.type == "cursor" and (self.cursor is None) == (self.cursor_header is None):
            raise ValueError("paging by cursor needs either cursor (a path in the body) or cursor_header")
        if self.type == "next_url" and not self.url:
            raise ValueError("paging by next_url needs url: the path in the body of the next address")
        if self.type == "page" and self.first is not None and not isinstance(self.first, int):
            raise ValueError("the first page is a number")
        return self


class CountSettings(Section):
    """Where to ask how many there are."""

    path: ListPath
    value: BodyPath


class ReadSettings(Section):
    """How records are read again."""

    type: Literal["many", "one"]
    parameter: Name | None = None
    join: Annotated[str, Field(min_length=1, max_length=3)] = ","
    most: int = Field(default=100, ge=1, le=1000)
    path: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_one_path)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "ReadSettings":
        if self.type == "many" and self.parameter is None:
            raise ValueError("reading many needs a parameter that takes their ids")
        if self.type == "one" and (self.path is None or "{id}" not in self.path):
            raise ValueError("reading one needs a path with {id}")
        return self


class PushSettings(Section):
    """A field that the API can filter by itself."""

    operators: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    parameter: Name
    join: Annotated[str, Field(min_length=1, max_length=3)] | None = None
    exact: bool = False
    format: Literal["rfc3339", "date", "epoch_seconds", "epoch_milliseconds"] | None = None
    widen_seconds: float = Field(default=LOCAL_MARGIN_SECONDS, ge=0, le=31 * 86_400)

    @model_validator(mode="after")
    def _known(self) -> "PushSettings":
        for operator in self.operators:
            if operator not in OPERATORS:
                raise ValueError(f"there is no operator '{operator}'{did_you_mean(operator, OPERATORS)}")
        return self


class ParentSettings(Section):
    """Whose children they are."""

    type: Name
    where: Filter | None = None


class HttpSettings(Section):
    """Entities listed by an API: a connection, and what is asked for there."""

    connection: Name = Field(examples=["crm"], description="Which of [connections] it is asked of.")
    entity: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9/]*$", max_length=100)] | None = Field(
        default=None,
        examples=["TimeEntries"],
        description="Of a preset: another of its entities, such as CompanyNotes of Autotask.",
    )
    path: ListPath | None = Field(
        default=None, examples=["/companies"], description="Where they are listed. May hold {parent}."
    )
    method: Literal["GET", "POST"] | None = Field(
        default=None, examples=["GET"], description="GET (default), or POST: then parameters go into a JSON body."
    )
    parameters: dict[Name, JsonValue] = Field(
        default_factory=dict, examples=[{"include": "owner"}], description="Always sent."
    )
    records: BodyPath | None = Field(
        default=None,
        examples=["data"],
        description="Dotted path to the list in an answer; '' (default): the whole of it.",
    )
    id: Annotated[str, Field(min_length=1), AfterValidator(_path)] | None = Field(
        default=None,
        examples=["id"],
        description="Dotted path in a record: a text or a whole number, unique, never null. Default: id.",
    )
    updated_at: Annotated[str, Field(min_length=1), AfterValidator(_path)] | None = Field(
        default=None,
        examples=["changed_at"],
        description="Dotted path of the time at which a record changed, for newest_first and oldest_first.",
    )
    paging: PagingSettings | None = Field(
        default=None,
        examples=[
            {"type": "keyset", "parameter": "after", "size_parameter": "limit", "size": 500, "order": {"sort": "id"}}
        ],
        description="How one gets from a page to the next: keyset, page, offset, cursor, link_header, next_url or none"
        " (default).",
    )
    count: CountSettings | None = Field(
        default=None,
        examples=[{"path": "/companies/count", "value": "total"}],
        description="Where to ask how many there are, and the path of the number in the answer.",
    )
    read: ReadSettings | Literal["none"] | None = Field(
        default=None,
        examples=[{"type": "many", "parameter": "ids", "join": ",", "most": 100}],
        description='How records are read again before they are sent: {type = "many", parameter, join, most}, {type ='
        ' "one", path} with {id} in it, or "none" (default): then the plan keeps what was listed.',
    )
    fields: dict[Name, FieldType] = Field(
        default_factory=dict,
        examples=[{"size": "integer", "changed_at": "date"}],
        description="Types of attributes, as in [entity_types.….fields].",
    )
    lists: dict[Annotated[Name, AfterValidator(_path)], Annotated[str, AfterValidator(_members)]] = Field(
        default_factory=dict,
        examples=[{"tags": "name_value"}],
        description="Attributes that are lists of pairs, made objects, as in [entity_types.….lists].",
    )
    push: dict[Annotated[Name, AfterValidator(_path)], PushSettings] = Field(
        default_factory=dict,
        examples=[{"status": {"operators": ["=", "in"], "parameter": "status", "join": ",", "exact": True}}],
        description="Fields that the API filters by itself: operators, parameter, join (of several values), exact"
        " (default false: it selects at least those), format of dates, widen_seconds (of dates; default 26 h).",
    )
    where: Filter | None = Field(
        default=None,
        examples=[{"archived": False}],
        description="A filter that always holds, besides what is asked for.",
    )
    parent: ParentSettings | None = Field(
        default=None,
        examples=[{"type": "company", "where": {"active": True}}],
        description="They are listed under each entity of another type of the same connection; `where` says of which.",
    )
    freshness_seconds: float | None = Field(
        default=None,
        ge=0,
        le=86_400,
        examples=[300.0],
        description="So long after they were read attributes may be sent (default 300); older ones are read again.",
    )
    plan_outside_windows: bool = Field(
        default=False, description="true: listing does not wait for a window of the backfill."
    )


class PresetListing(HttpSettings):
    """What a preset says of a type; its tables know a little more than the file."""

    connection: Name = "of the file"
    parent_field: str = ""
    can_search: bool = False
    longest_url: int = 7_500


def faults_in_http_types(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: connections and parents that there are not. Read from the raw tree."""
    types, connections = tree.get("entity_types"), tree.get("connections")
    known = list(connections) if isinstance(connections, dict) else []
    http = {
        name: settings["http"]
        for name, settings in (types.items() if isinstance(types, dict) else ())
        if isinstance(settings, dict) and isinstance(settings.get("http"), dict)
    }
    for name, settings in http.items():
        path = ("entity_types", name, "http")
        connection = settings.get("connection")
        if isinstance(connection, str) and connection not in known:
            message = f"there is no connection '{connection}'{did_you_mean(connection, known)}"
            yield ConfigFault(where, dotted((*path, "connection")), message)
        of_connection = connections.get(connection) if isinstance(connections, dict) else None
        if isinstance(of_connection, dict) and "preset" not in of_connection:
            if "path" not in settings:
                yield ConfigFault(where, dotted(path), "needs a path: its connection has no preset that knows one")
            if "entity" in settings:
                yield ConfigFault(where, dotted((*path, "entity")), "is for a connection with a preset")
        parent = settings.get("parent")
        parent_type = parent.get("type") if isinstance(parent, dict) else None
        if isinstance(parent_type, str):
            yield from _parent_faults(where, path, settings, parent_type, http)
        elif "{parent}" in str(settings.get("path", "")) and parent is None:
            yield ConfigFault(where, dotted((*path, "path")), "has {parent}, but there is no parent")


def _parent_faults(
    where: str, path: tuple[str, ...], settings: Mapping[str, Any], parent: str, http: Mapping[str, Mapping[str, Any]]
) -> Iterator[ConfigFault]:
    at = dotted((*path, "parent", "type"))
    if parent not in http:
        yield ConfigFault(where, at, f"'{parent}' is no type with source 'http'{did_you_mean(parent, http)}")
    elif http[parent].get("connection") != settings.get("connection"):
        yield ConfigFault(where, at, f"'{parent}' is of another connection")
    elif "parent" in http[parent]:
        yield ConfigFault(where, at, f"'{parent}' is listed under a parent itself")
