"""The OpenAPI document as one page for people: no script, nothing from outside, readable in print."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

Json = dict[str, Any]
_FOLDER = files("backfilld.api.reference") / "templates"
STYLE = (_FOLDER / "docs.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"
_DEEPEST_EXAMPLE = 6
_MOST_ALTERNATIVES = 30


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A line of a table of fields."""

    name: str
    kind: str
    required: bool
    description: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class OperationView:
    """A route as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    role: str | None
    parameters: list[FieldRow]
    body: list[FieldRow]
    body_types: list[str]
    example: str | None
    answer: list[FieldRow]
    statuses: list[tuple[str, str]]


@dataclass(slots=True)
class Section:
    """The routes of one tag."""

    name: str
    operations: list[OperationView] = field(default_factory=list)


def page(document: Json) -> str:
    """The whole page."""
    from jinja2 import Environment, StrictUndefined  # here, so that a daemon is up before it is loaded

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((_FOLDER / "docs.html").read_text(encoding="utf-8"))
    return template.render(
        info=document["info"], style=STYLE, sections=_sections(document), schemas=list(_schemas(document))
    )


def _sections(document: Json) -> list[Section]:
    sections = {tag["name"]: Section(tag["name"]) for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections[operation["tags"][0]].operations.append(_view(document, path, method, operation))
    return list(sections.values())


def _view(document: Json, path: str, method: str, operation: Json) -> OperationView:
    content = operation.get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()))["schema"] if content else None
    return OperationView(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        role=operation.get("x-required-role"),
        parameters=[_parameter(each) for each in operation["parameters"]],
        body=_rows(document, schema) if schema else [],
        body_types=list(content),
        example=json.dumps(example(document, schema), indent=2, ensure_ascii=False) if schema else None,
        answer=_answer(document, operation),
        statuses=[(status, _description(document, answer)) for status, answer in operation["responses"].items()],
    )


def _description(document: Json, answer: Json) -> str:
    return str(resolve(document, answer)["description"])


def _answer(document: Json, operation: Json) -> list[FieldRow]:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if status.startswith("2") and "application/json" in content:
            schema = content["application/json"]["schema"]
            return _rows(document, schema.get("properties", {}).get("data", schema))
    return []


def _parameter(parameter: Json) -> FieldRow:
    name, place = parameter["name"], parameter["in"]
    kind = _kind(parameter["schema"])
    return FieldRow(f"{name} ({place})", kind, parameter["required"], parameter.get("description", ""))


def _schemas(document: Json) -> Iterator[tuple[str, str, list[FieldRow]]]:
    for name, schema in document["components"]["schemas"].items():
        rows = _rows(document, schema)
        yield name, schema.get("description", ""), rows or [FieldRow("value", _kind(schema), False, "")]


def resolve(document: Json, schema: Json) -> Json:
    """What a `$ref` refers to; anything else as it is."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _rows(document: Json, schema: Json) -> list[FieldRow]:
    schema = resolve(document, schema)
    required = schema.get("required", [])
    return [
        FieldRow(name, _kind(part), name in required, _words(part), _link(part))
        for name, part in schema.get("properties", {}).items()
    ]


def _words(schema: Json) -> str:
    """What a field means, and what it is if left out."""
    text = str(schema.get("description", ""))
    default = schema.get("default")
    return f"{text} Default: {json.dumps(default)}.".strip() if default not in (None, [], {}) else text


def _link(schema: Json) -> str | None:
    for part in (schema, schema.get("items", {}), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if isinstance(part, dict) and "$ref" in part:
            return str(part["$ref"]).rpartition("/")[2]
    return None


def _kind(schema: Json) -> str:
    """A type in few words: `integer 1..10`, `list of text`, `one of a, b`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"][:_MOST_ALTERNATIVES]))
    if "const" in schema:
        return json.dumps(schema["const"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_kind(part) for part in schema[key])
    kinds = schema.get("type", "anything")
    if isinstance(kinds, list):
        return " or ".join(_kind({**schema, "type": kind}) if kind != "null" else kind for kind in kinds)
    if kinds == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    shown = "format" in schema and schema["format"] != "int64"
    return str(kinds) + (f" ({schema['format']})" if shown else "") + _bounds(schema)


def _bounds(schema: Json) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None and high is None:
        return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    return f" {'' if low is None else low}..{'' if high is None else high}"


def example(document: Json, schema: Json, depth: int = 0) -> Any:
    """A value of the schema: its own example, default or first choice, else one made of its required fields."""
    schema = resolve(document, schema)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if schema.get("default") is not None:
        return schema["default"]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return example(document, schema[key][0], depth)
    return _plain_example(document, schema, depth)


def _plain_example(document: Json, schema: Json, depth: int) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", [])
        parts = schema.get("properties", {}).items() if depth < _DEEPEST_EXAMPLE else ()
        return {name: example(document, part, depth + 1) for name, part in parts if name in wanted}
    if kind == "array":
        return [example(document, schema.get("items", {}), depth + 1)] if depth < _DEEPEST_EXAMPLE else []
    if kind == "string":
        return _TEXTS.get(schema.get("format", ""), "text")
    if kind == "boolean":
        return True
    return schema.get("minimum", 1) if kind in ("integer", "number") else None


_TEXTS = {
    "date-time": "2027-03-14T07:00:00Z",
    "date": "2027-03-14",
    "uuid": "6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11",
}
