"""The schemas of all models of the routes: each is a component with a name, every property told of."""

from collections.abc import Sequence
from os.path import commonprefix
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from backfilld.api.framework.answering.envelope import DigdagProblem, Meta, ProblemAnswer
from backfilld.api.framework.routing import Route
from backfilld.api.public.backfills.bodies import NAMED_SCHEMAS
from backfilld.api.reference.glossary import completed
from backfilld.domain.entities.records import FieldType

Json = dict[str, Any]
PREFIX = "#/components/schemas/"
_NAMED = tuple(NAMED_SCHEMAS)
_LARGEST_INT32 = 2**31 - 1
_LARGE = 2**63 - 1  # what may be so large as far as the schema goes
_FIELD_TYPES: Json = {"type": "string", "description": "What a field holds.", "enum": list(get_args(FieldType))}


class Schemas:
    """The schemas of all models, by model and direction."""

    def __init__(self, routes: Sequence[Route]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
            (model, "serialization"): None for model in (Meta, ProblemAnswer, DigdagProblem)
        }
        queries: set[type[BaseModel]] = set()
        for route in routes:
            for model in (route.body, route.query):
                if model is not None:
                    wanted[model, "validation"] = None
            if route.query is not None:
                queries.add(route.query)
            for answer in (route.answer, route.other_answer):
                if answer is not None:
                    wanted[answer, "serialization"] = None
        self._refs, found = models_json_schema(list(wanted), ref_template=PREFIX + "{model}")
        self._definitions: Json = {}
        for name, schema in found.get("$defs", {}).items():
            self._definitions[name] = self._by_name(completed(name, _useful(schema)))
        self._hidden = {_name(self.of(model, "validation")) for model in queries}

    def _by_name(self, schema: Any) -> Any:
        """The same with a reference wherever a schema stands that has a name of its own."""
        if isinstance(schema, list):
            return [self._by_name(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        title = schema.get("title")
        if title in _NAMED:
            if title not in self._definitions:
                self._definitions[title] = {}  # it may hold others with names
                untitled = {key: part for key, part in NAMED_SCHEMAS[title].items() if key != "title"}
                self._definitions[title] = self._by_name(completed(title, untitled))
            return {"$ref": PREFIX + title, "description": schema["description"]}
        if schema.get("enum") == _FIELD_TYPES["enum"]:
            self._definitions["FieldType"] = _FIELD_TYPES
            return {"$ref": PREFIX + "FieldType"}
        if "const" in schema:  # the same to JSON Schema; generators know only this one beside a discriminator
            schema = {key: part for key, part in schema.items() if key != "const"} | {"enum": [schema["const"]]}
        if schema.get("additionalProperties") is False:  # the same; of that one generators make maps without fields
            schema = {key: part for key, part in schema.items() if key != "additionalProperties"}
            schema["unevaluatedProperties"] = False
        if schema.get("type") == "integer" and schema.get("maximum", _LARGE) > _LARGEST_INT32:
            schema = {**schema, "format": "int64"}
        told = _one_type({key: self._by_name(part) for key, part in schema.items()})
        return self._union(told) if "discriminator" in told else told

    def _union(self, schema: Json) -> Json:
        """A reference to one of several models, which gets the name that theirs end with."""
        names = [_name(part) for part in schema["oneOf"]]
        name = commonprefix([name[::-1] for name in names])[::-1]  # noqa: RUF071  # these are no paths
        own = {key: schema[key] for key in ("oneOf", "discriminator")}
        self._definitions[name] = {**own, "description": f"One of {', '.join(names)}."}
        return {"$ref": PREFIX + name, "description": schema["description"]}

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Json:
        """A reference to the model's schema."""
        return dict(self._refs[model, mode])

    def envelope(self, model: type[BaseModel]) -> Json:
        """A reference to the schema of an answer: the model, and what is said about it."""
        name = model.__name__.removesuffix("Data").removesuffix("Answer") + "Envelope"
        self._definitions[name] = {
            "type": "object",
            "description": "An answer and what it says about itself.",
            "required": ["data", "meta"],
            "properties": {
                "data": {**self.of(model, "serialization"), "description": "What was asked for."},
                "meta": {**self.of(Meta, "serialization"), "description": "What the answer says about itself."},
            },
        }
        return {"$ref": PREFIX + name}

    def properties(self, model: type[BaseModel]) -> tuple[Json, list[str]]:
        """The fields of a query model, and the names of those that are required."""
        schema = self._definitions[_name(self.of(model, "validation"))]
        return schema.get("properties", {}), schema.get("required", [])

    def components(self) -> Json:
        """Everything that may be referred to; query models are shown as parameters instead."""
        return {name: schema for name, schema in sorted(self._definitions.items()) if name not in self._hidden}


def _useful(schema: Json) -> Json:
    """Without properties that can only be null, which no client needs and generators make odd types of."""
    if "properties" not in schema:
        return schema
    kept = {name: part for name, part in schema["properties"].items() if part.get("type") != "null"}
    return {**schema, "properties": kept}


def _one_type(schema: Json) -> Json:
    """The same without `anyOf` where it says no more than "or null"."""
    plain = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(plain) != 1 or len(schema["anyOf"]) != 2 or not isinstance(plain[0].get("type"), str) or "enum" in plain[0]:
        return schema
    rest = {key: part for key, part in schema.items() if key != "anyOf"}
    return {**plain[0], "type": [plain[0]["type"], "null"], **rest}


def _name(ref: Json) -> str:
    return str(ref["$ref"]).rpartition("/")[2]
