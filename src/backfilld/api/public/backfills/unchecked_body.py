"""Bodies that are looked at as a whole, before they are taken apart.

Some faults show only when the database is asked, and some answers (to a request that was answered before) come ahead
of any check. A route of that kind takes the body as it came, and takes it apart with `read_as`; the document
describes the model all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, Optional, TypeVar

from pydantic import BaseModel, GetJsonSchemaHandler, RootModel, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.fields import Body
from backfilld.api.framework.reading.validating import validate_body
from backfilld.domain.errors import Fault

M = TypeVar("M", bound=BaseModel)


class WholeBody(RootModel[dict[str, Any]]):
    """An object that nobody has checked yet. Made by `whole`."""

    described: ClassVar[type[BaseModel]]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(cls.described.__pydantic_core_schema__)


@cache
def whole(model: type[BaseModel]) -> type[WholeBody]:
    """The body of a route that reads it as `model` by itself."""
    made: type[WholeBody] = create_model(model.__name__, __base__=WholeBody, __doc__=model.__doc__)
    made.described = model
    return made


@dataclass(frozen=True, slots=True)
class Read(Generic[M]):
    """A body taken apart: whole, or as far as it could be read.

    `parts` are the fields that were sent and could be read, `unread` the names of those that could not.
    """

    body: M | None
    parts: Mapping[str, Any]
    unread: frozenset[str]
    faults: list[Fault]


def read_parts(model: type[M], document: Mapping[str, Any]) -> Read[M]:
    """As `read_as`, and what can be read of a body with faults, so that all of it can be looked at."""
    body, faults = read_as(model, document)
    if body is not None:
        return Read(body, {name: getattr(body, name) for name in body.model_fields_set}, frozenset(), faults)
    faulty = {fault.path.partition("/")[2].partition("/")[0] for fault in faults}
    unread = frozenset(document.keys() & model.model_fields.keys() & faulty)
    rest = {name: value for name, value in document.items() if name in model.model_fields and name not in unread}
    parts, _ = read_as(_of_parts(model), rest)
    if parts is None:  # there are more faults than are told
        return Read(None, {}, frozenset(document), faults)
    return Read(None, {name: getattr(parts, name) for name in parts.model_fields_set}, unread, faults)


@cache
def _of_parts(model: type[BaseModel]) -> type[BaseModel]:
    """`model` with nothing required."""
    wanted: dict[str, Any] = {
        name: (Optional[field.rebuild_annotation()], None)  # noqa: UP045  # made at run time
        for name, field in model.model_fields.items()
    }
    return create_model(f"PartsOf{model.__name__}", __base__=Body, **wanted)


def read_as(model: type[M], document: Mapping[str, Any]) -> tuple[M | None, list[Fault]]:
    """The body as `model`, or all that is wrong with its types."""
    return validate_body(model, document, strict_json.dump(document))
