"""Finding one's way in the model of the settings by a path of keys."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str | int, ...]


def model_at(root: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the table at `path`; None if there is no such table."""
    found = annotation_at(root, path)
    return next((member for member in _members(found) if _is_model(member)), None)


def annotation_at(root: type[BaseModel], path: Path) -> Any:
    """The type of the value at `path`, None if there can be no value."""
    here: Any = root
    for part in path:
        here = _step(here, part)
        if here is None:
            return None
    return here


def is_text(annotation: Any) -> bool:
    """True if a value of this type is written as plain text: strings, paths, secrets, words from a list."""
    members = [member for member in _members(annotation) if member is not type(None)]
    return all(isinstance(member, str) or getattr(member, "__name__", "") in _TEXTS for member in members)


def tables_with(root: type[BaseModel], name: str) -> list[str]:
    """The sections that have a key of that name."""
    sections = {section: model_at(root, (section,)) for section in root.model_fields}
    return [section for section, model in sections.items() if model is not None and name in model.model_fields]


_TEXTS = ("str", "Path", "SecretStr")


def _step(annotation: Any, part: str | int) -> Any:
    for member in _members(annotation):
        if _is_model(member) and part in member.model_fields:
            return member.model_fields[str(part)].annotation
        if get_origin(member) is dict and isinstance(part, str):
            return get_args(member)[1]
        if get_origin(member) is tuple and isinstance(part, int):
            return get_args(member)[0]
    return None


def _members(annotation: Any) -> list[Any]:
    """A union's members, an Annotated's type, a Literal's words; else the type itself."""
    origin = get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        return _members(annotation.__origin__)
    if origin in (Union, UnionType):
        return [found for member in get_args(annotation) for found in _members(member)]
    if origin is Literal:
        return list(get_args(annotation))
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
