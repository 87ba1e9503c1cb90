"""What pydantic found, in the words of our contract.

A caller gets a JSON Pointer, a code and a sentence for every fault, and the nearest valid name where a name is
wrong. pydantic's own errors speak of Python types and put the names of union members into paths; both stay in here.
"""

import re
import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from aiohttp import web
from pydantic import BaseModel, ValidationError

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.fields import FaultsFound
from backfilld.domain.errors import FAULTS_SHOWN, Fault, did_you_mean, nearest, pointer

M = TypeVar("M", bound=BaseModel)
Details = Mapping[str, Any]

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_MOST_NAMED = 60  # a longer list of valid names helps nobody
_WANTED = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number",
    "int_parsing": "a whole number", "float_type": "a number", "float_parsing": "a number",
    "decimal_type": "a number", "decimal_parsing": "a number", "bool_type": "true or false",
    "bool_parsing": "true or false", "list_type": "a list", "tuple_type": "a list", "set_type": "a list",
    "dict_type": "an object", "model_type": "an object", "model_attributes_type": "an object",
    "mapping_type": "an object", "uuid_type": "a UUID as text", "uuid_parsing": "a UUID",
    "frozen_set_type": "a list", "none_required": "null",
}  # fmt: skip
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def validate_body(model: type[M], document: Any, text: bytes) -> tuple[M | None, list[Fault]]:
    """The body as `model`, or all that is wrong with it. `document` is what `text` says, for finding places."""
    try:
        return model.model_validate_json(text), []
    except ValidationError as problem:
        return None, list(_faults(model, document, problem))


def validate_query(model: type[M] | None, request: web.Request) -> tuple[M | None, list[Fault]]:
    """The query parameters as `model` (None: there may be none), or all that is wrong with them."""
    values, faults = _query_values(model, request)
    if model is None:
        return None, [*faults, *(_in_query(_unknown(pointer(name), name, ())) for name in values)]
    try:
        return model.model_validate(values), faults
    except ValidationError as problem:
        found = [_in_query(fault) for fault in _faults(model, values, problem)]
        return None, [*faults, *dict.fromkeys(found)]


def _query_values(model: type[BaseModel] | None, request: web.Request) -> tuple[dict[str, Any], list[Fault]]:
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name in dict.fromkeys(request.query):
        given = request.query.getall(name)
        path = pointer("query", name)
        field = model.model_fields.get(name) if model is not None else None
        if not all(strict_json.text_is_clean(text) for text in (name, *given)):
            faults.append(Fault(_printable(path), "invalid_text", "contains NUL or text that is not UTF-8"))
        elif field is not None and int in _alternatives(field.annotation) and any(len(text) > 19 for text in given):
            faults.append(Fault(path, "out_of_range", "is more than can be kept"))
        elif field is not None and _takes_list(field.annotation):
            values[name] = given
        elif len(given) > 1:
            faults.append(Fault(path, "repeated", "may be given only once"))
        else:
            values[name] = given[0]
    return values, faults


def _printable(path: str) -> str:
    return path.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _in_query(fault: Fault) -> Fault:
    code = "unknown_parameter" if fault.code == "unknown_field" else fault.code
    return Fault("/query/" + fault.path[1:].partition("/")[0], code, fault.message, fault.allowed)


def _takes_list(annotation: Any) -> bool:
    return any(get_origin(kind) in (list, tuple, set, frozenset) for kind in _alternatives(annotation))


def _faults(model: type[BaseModel], document: Any, problem: ValidationError) -> Iterable[Fault]:
    for count, error in enumerate(problem.errors(include_url=False)):
        if count >= FAULTS_SHOWN:
            return
        place, value = _place(document, error["loc"])
        yield from _fault(model, place, value, error)


def _place(document: Any, loc: tuple[int | str, ...]) -> tuple[tuple[int | str, ...], Any]:
    """Where in the document an error is: its loc without the names of union members and validators."""
    place: list[int | str] = []
    current = document
    for index, part in enumerate(loc):
        inner = _inner(current, part)
        if inner is not _NOWHERE:
            current = inner
        elif isinstance(current, dict) and index == len(loc) - 1 and str(part).isidentifier():
            current = None  # a field that is missing
        else:
            continue
        place.append(part)
    return tuple(place), current


_NOWHERE = object()


def _inner(value: Any, part: int | str) -> Any:
    if isinstance(value, dict):
        return value.get(part, _NOWHERE)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _NOWHERE


def _fault(model: type[BaseModel], place: tuple[int | str, ...], value: Any, error: Details) -> list[Fault]:
    path, kind, context = pointer(*place), error["type"], error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, FaultsFound):
        return [fault.under(path) for fault in cause.faults]
    if kind == "missing":
        return [Fault(path, "missing", "is required")]
    if kind == "extra_forbidden":
        return [_unknown(path, str(place[-1]), _fields_at(model, place[:-1]))]
    if kind in ("literal_error", "enum"):
        return [_not_among(path, value, _QUOTED.findall(context["expected"]))]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return [_bad_tag(path, value, context)]
    if kind in _WANTED:
        return [Fault(path, "invalid_type", f"must be {_WANTED[kind]}, not {_shown(value)}")]
    return [Fault(path, *_limit_or_other(kind, context, error))]


def _unknown(path: str, name: str, known: Iterable[str]) -> Fault:
    known = tuple(known)
    message = f"{name[:100]!r} is not known here{did_you_mean(name, known)}"
    return Fault(path, "unknown_field", message, nearest(name, known))


def _not_among(path: str, value: Any, allowed: list[str]) -> Fault:
    if not isinstance(value, str):
        return Fault(path, "invalid_type", f"must be one of the allowed texts, not {_shown(value)}", tuple(allowed))
    near = nearest(value, allowed)
    ordered = (*near, *(name for name in allowed if name not in near))[:_MOST_NAMED]
    return Fault(path, "invalid_value", f"{value[:100]!r} is not allowed{did_you_mean(value, allowed)}", ordered)


def _bad_tag(path: str, value: Any, context: Details) -> Fault:
    name = context["discriminator"].strip("'")
    tags = _QUOTED.findall(context.get("expected_tags", ""))
    if "tag" not in context:
        return Fault(path + pointer(name), "missing", "is required", tuple(tags))
    return _not_among(path + pointer(name), value.get(name) if isinstance(value, dict) else None, tags)


def _limit_or_other(kind: str, context: Details, error: Details) -> tuple[str, str]:
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return "out_of_range", f"must be {words} {_number(context[key])}"
    if kind in ("finite_number", "int_parsing_size", "decimal_max_digits", "decimal_whole_digits"):
        return "out_of_range", "is beyond what can be kept"
    if kind.endswith("too_long"):
        return "too_long", f"must have at most {_units(context['max_length'], kind)}"
    if kind.endswith("too_short"):
        return "too_short", f"must have at least {_units(context['min_length'], kind)}"
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return "invalid_type", error["msg"]
    return "invalid_value", str(context["error"]) if "error" in context else error["msg"]


def _number(limit: Any) -> str:
    """As people write it: neither 1e-05 nor 1000000.0."""
    text = f"{Decimal(repr(limit)):f}" if isinstance(limit, float) else str(limit)
    return text.removesuffix(".0")


def _units(count: int, kind: str) -> str:
    one, many = ("character", "characters") if kind.startswith(("string", "bytes")) else ("entry", "entries")
    return f"{count} {one if count == 1 else many}"


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return strict_json.kind(value)
    return repr(value) if len(repr(value)) <= 60 else strict_json.kind(value)


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> tuple[str, ...]:
    """The field names known at a place, of all models that may stand there."""
    kinds: list[Any] = [model]
    for part in place:
        kinds = [inner for kind in kinds for inner in _step(kind, part)]
    names: dict[str, None] = {}
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names.update((field.alias or name, None) for name, field in kind.model_fields.items())
    return tuple(names)


def _step(kind: Any, part: int | str) -> Iterable[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return _alternatives(field.annotation) if field is not None else ()
    arguments = get_args(kind)
    return _alternatives(arguments[-1 if get_origin(kind) is dict else 0]) if arguments else ()


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, through Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for member in get_args(annotation) for inner in _alternatives(member)]
    if origin is Literal or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return []
    return [annotation]
