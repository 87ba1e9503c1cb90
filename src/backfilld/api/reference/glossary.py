"""A description and an example for every property: the model's own, or those that its name has everywhere."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from backfilld.api.public.backfills.bodies import NAMED_SCHEMAS

Json = dict[str, Any]
_FORMATS = {
    "date-time": "2027-03-14T07:00:00Z",
    "date": "2027-03-14",
    "uuid": "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11",
}
_NOTHING = object()


@cache
def _words() -> Mapping[str, list[Any]]:
    """name → text and, unless it is null, an example."""
    file = files("backfilld.api.reference") / "glossary.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def completed(model: str, schema: Json) -> Json:
    """The schema of a model with every property told of; without titles that only repeat the names."""
    if "properties" not in schema:
        return schema
    own = {key: value for key, value in schema.items() if key != "title"}
    own["properties"] = {name: _told(model, name, part) for name, part in schema["properties"].items()}
    return own


def _told(model: str, name: str, schema: Json) -> Json:
    told = {key: value for key, value in schema.items() if key != "title" or value in NAMED_SCHEMAS}
    word = _words().get(f"{model}.{name}") or _words().get(name)
    if "description" not in told and word is not None:
        told["description"] = word[0]
    if "examples" not in told and not _refers(told):
        example = _example(told, _NOTHING if word is None else word[1] if len(word) > 1 else None)
        if example is not _NOTHING:
            told["examples"] = [example]
    return told


def _refers(schema: Json) -> bool:
    """Whether what it means stands elsewhere, with examples of its own."""
    if "$ref" in schema:
        return True
    parts = [schema.get("items"), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return any(isinstance(part, dict) and _refers(part) for part in parts)


def _example(schema: Json, word: Any) -> Any:
    """What the schema itself says, else the word's example, in the schema's own type."""
    for part in (schema, *schema.get("anyOf", ())):
        if "const" in part:
            return part["const"]
        if part.get("enum"):
            return part["enum"][0]
        if part.get("format") in _FORMATS:
            return _FORMATS[part["format"]]
    if schema.get("default") not in (None, [], {}):
        return schema["default"]
    kinds = _kinds(schema)
    for kind, types in _TYPES.items():
        if kind in kinds and isinstance(word, types) and (kind == "boolean" or not isinstance(word, bool)):
            return word
    if "string" in kinds and isinstance(word, (int, float)) and not isinstance(word, bool):
        return str(word)
    if word is not _NOTHING and not kinds:
        return word
    return _inferred(schema, kinds)


_TYPES: Mapping[str, Any] = {
    "null": type(None), "boolean": bool, "integer": int, "number": (int, float), "string": str, "array": list,
    "object": dict,
}  # fmt: skip


def _inferred(schema: Json, kinds: set[str]) -> Any:
    if "boolean" in kinds:
        return True
    if kinds & {"integer", "number"}:
        bounds = [part["minimum"] for part in (schema, *schema.get("anyOf", ())) if "minimum" in part]
        return max(1, *bounds) if bounds else 1
    if kinds & {"array", "object"}:
        return {} if "object" in kinds else []
    return _NOTHING


def _kinds(schema: Json) -> set[str]:
    kinds: set[str] = set()
    for part in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kind = part.get("type", ())
        kinds |= {kind} if isinstance(kind, str) else set(kind)
    return kinds
