"""Bodies that are looked at as a whole, before they are taken apart.

Some faults show only when the database is asked, and some answers (to a request that was answered before) come ahead
of any check. A route of that kind takes the body as it came, and takes it apart with `read_as`; the document
describes the model all the same.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, GetJsonSchemaHandler, RootModel, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.validating import validate_body
from backfilld.domain.errors import Fault

M = TypeVar("M", bound=BaseModel)


class WholeBody(RootModel[dict[str, Any]]):
    """An object that nobody has checked yet. Made by `whole`."""

    described: ClassVar[type[BaseModel]]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(cls.described.__pydantic_core_schema__)


def whole(model: type[BaseModel]) -> type[WholeBody]:
    """The body of a route that reads it as `model` by itself."""
    made: type[WholeBody] = create_model(model.__name__, __base__=WholeBody, __doc__=model.__doc__)
    made.described = model
    return made


def read_as(model: type[M], document: Mapping[str, Any]) -> tuple[M | None, list[Fault]]:
    """The body as `model`, or all that is wrong with its types."""
    return validate_body(model, document, strict_json.dump(document))
