"""Bodies, queries and answers of the entity routes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.fields import Answer, FaultsFound, Instant, Page, Query
from backfilld.api.public.entities.field_types import MEMBER, MOST_IN_QUERY, read_types
from backfilld.api.public.entities.records import DEEPEST
from backfilld.domain.entities.ids import LONGEST_ID
from backfilld.domain.entities.records import Entity, EntityType, FieldType
from backfilld.domain.errors import Fault, Unreadable
from backfilld.domain.imports import FIELD_TYPES
from backfilld.sources.http.asking.budget import Usage


def _field_types(value: Any) -> Any:
    """Known fields from their JSON text, keyed as filters spell them."""
    if not isinstance(value, str):
        return value
    try:
        document = strict_json.parse(value.encode())
    except Unreadable as problem:
        raise FaultsFound([Fault("", "invalid_json", problem.message.replace("the body", "the value", 1))]) from None
    types = read_types(document)
    if isinstance(types, list):
        raise FaultsFound(types)
    if len(types) > MOST_IN_QUERY:
        message = f"must have at most {MOST_IN_QUERY} fields; say more of them in the body, as lines of {MEMBER!r}"
        raise FaultsFound([Fault("", "too_long", message)])
    return types


FieldTypes = Annotated[
    dict[str, FieldType | None],
    BeforeValidator(_field_types),
    WithJsonSchema({"type": "string", "contentMediaType": "application/json", "examples": ['{"priority": "integer"}']}),
]


class ListEntities(Page):
    """Pages are by id."""

    key_kinds: ClassVar[tuple[type, ...]] = (str,)


class UploadQuery(Query):
    """How an upload is meant."""

    replace: bool = Field(
        False,
        description="Afterwards the type holds what was uploaded and nothing else: the others are removed (in the same"
        " transaction; `removed` counts them), and an older `updated_at` does not hold anything back.",
    )
    field_types: FieldTypes = Field(
        default_factory=dict,
        description="JSON object of fields (spelled as in filters) and their types: string, number, integer, boolean,"
        " date; null forgets one. Added to what is known of the type; filters compare accordingly. For a handful:"
        f" more than {MOST_IN_QUERY}, or what an address cannot hold, is said in the body.",
    )


class UploadAnswer(BaseModel):
    """What an upload did, in different ids. `unchanged`: equal, or older than what is stored."""

    inserted: int
    updated: int
    unchanged: int
    removed: int | None = Field(None, description="With `replace`.")


class EntityAnswer(Answer):
    """An entity. `as_of` is when it last changed here."""

    id: str
    type: EntityType
    attributes: dict[str, Any]
    updated_at: datetime | None
    as_of: datetime | None


class OneEntity(Answer):
    entity: EntityAnswer


class ManyEntities(Answer):
    entities: list[EntityAnswer]


class BudgetAnswer(Answer):
    """How often it may be asked: of its tightest limit."""

    limit: int | None = Field(description="Requests in that span; null: no limit is set.", examples=[5000])
    used: int = Field(description="Of them, by everybody who asks here.", examples=[1240])
    until: Instant | None = Field(
        description="When something may be asked again; null: now.", examples=["2027-03-14T07:00:00Z"]
    )

    @classmethod
    def of(cls, usage: Usage | None) -> Self | None:
        return None if usage is None else cls(limit=usage.limit, used=usage.used, until=usage.until)


class IndexAnswer(Answer):
    """An index of an attribute, as the configuration wants it."""

    field: str = Field(description="As filters spell it.", examples=["status"])
    state: Literal["ready", "building", "waiting", "failed"] = Field(
        description="building: filters do without it meanwhile. failed: it is tried again."
    )
    share: float | None = Field(description="Of one that is being built, 0 to 1, where that is known.", examples=[0.42])
    problem: str | None = Field(
        description="Why it could not be built.", examples=["the role of the daemon does not own the table"]
    )


class EntityTypeAnswer(Answer):
    """An entity type. `count` is null where only the source knows it."""

    name: str
    source: str
    healthy: bool = Field(description="Whether its source can list entities at this moment.")
    problem: str | None = Field(description="Why it cannot.")
    budget: BudgetAnswer | None = Field(description="Of the connection to an API; null for other sources.")
    count: int | None
    loaded_at: datetime | None = Field(description="When something was last uploaded.")
    fields: dict[str, FieldType] = Field(
        description="The known types of fields: those below, the configuration's first."
    )
    fields_configured: dict[str, FieldType]
    fields_imported: dict[str, FieldType]
    indexes: list[IndexAnswer] = Field(description="Of attributes in our own entity table.")


class ManyEntityTypes(Answer):
    entity_types: list[EntityTypeAnswer]


def shown(entity_type: str, entity: Entity) -> Mapping[str, Any]:
    """An entity as `EntityAnswer` describes it."""
    return {
        "id": entity.id,
        "type": entity_type,
        "attributes": entity.attributes,
        "updated_at": entity.updated_at,
        "as_of": entity.as_of,
    }


RECORD: Mapping[str, Any] = {
    "type": "object",
    "required": ["id", "attributes"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "description": "No control characters."},
        "attributes": {"type": "object", "description": f"Any JSON, at most {DEEPEST} levels deep."},
        "updated_at": {"type": ["string", "null"], "format": "date-time"},
    },
}
TYPES: Mapping[str, Any] = {
    "type": "object",
    "required": [MEMBER],
    "additionalProperties": False,
    "properties": {
        MEMBER: {
            "type": "object",
            "additionalProperties": {"enum": [*FIELD_TYPES, None]},
            "description": "As the query parameter, for any number of fields. May stand anywhere, also several times.",
        }
    },
}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "application/json": {"type": "array", "items": {"anyOf": [RECORD, TYPES]}},
    "application/x-ndjson": {
        "type": "string",
        "description": "One entity a line, each as in the JSON list; so are lines of field types.",
    },
}
