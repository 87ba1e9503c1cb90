"""A record of the user's world, as the rest of the program sees it."""

from datetime import datetime
from typing import Any, Literal, get_args

from backfilld.domain.records import plain_record

EntityType = Literal[
    "ticket", "project_ticket", "task", "scheduled_entry", "time_entry", "project", "company", "contact",
    "resource", "contract", "opportunity", "none", "configuration", "note", "team", "role", "audit_trail",
    "appointment", "servicecall", "contract_service", "company_location", "product",
]  # fmt: skip
ENTITY_TYPES: tuple[str, ...] = get_args(EntityType)
NOT_ENUMERABLE = "none"

FieldType = Literal["string", "number", "integer", "boolean", "date"]


@plain_record
class Entity:
    """`attributes` is what JSON gave; `as_of` says how fresh they are (a built-in entity: its last import)."""

    id: str
    attributes: dict[str, Any]
    updated_at: datetime | None = None
    as_of: datetime | None = None
