"""What is wrong with a configuration, said so that it can be mended at once: where, which key, what instead."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from backfilld.config.tree import Path, model_at, tables_with
from backfilld.domain.errors import did_you_mean

SHOWN = 60
SECRET_WORDS = ("secret", "dsn", "password", "token", "headers", "value")


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """`where` is a file, a variable or a credential; `key` is dotted, and empty if the fault is not of one key."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(Exception):
    """Everything that is wrong, one line each."""

    def __init__(self, faults: Iterable[ConfigFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def from_validation(
    error: ValidationError,
    root: type[BaseModel],
    tree: Mapping[str, Any],
    origins: Mapping[Path, str],
    default_origin: str,
) -> list[ConfigFault]:
    """pydantic's findings in our words, each with the place that its value came from."""
    faults = []
    for detail in error.errors(include_url=False):
        path = _path_in(tree, detail)
        where = next((origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in origins), default_origin)
        faults.append(ConfigFault(where, dotted(path), _message(detail, path, root)))
    return list(dict.fromkeys(faults))


def dotted(path: Path) -> str:
    """`("workflows", 0, "name")` as `workflows[0].name`."""
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f"{'.' if words else ''}{part}"
    return words


def _path_in(tree: Any, detail: Mapping[str, Any]) -> Path:
    """The location without what pydantic adds to it: which member of a union, and that a key is meant."""
    path: list[str | int] = []
    here = tree
    for part in detail["loc"]:
        if (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        ):
            here = here[part]
        elif detail["type"] != "missing" or part != detail["loc"][-1]:
            continue
        path.append(part)
    return (*path, "type") if detail["type"].startswith("union_tag") else tuple(path)


def _message(detail: Mapping[str, Any], path: Path, root: type[BaseModel]) -> str:
    special: dict[str, Callable[[], str]] = {
        "extra_forbidden": lambda: _unknown_key(path, root),
        "missing": lambda: "is required",
        "union_tag_not_found": lambda: "is required",
        "union_tag_invalid": lambda: _not_among(detail["ctx"]["tag"], detail["ctx"]["expected_tags"]),
        "value_error": lambda: str(detail["ctx"]["error"]),
        "tuple_type": lambda: _not_a_list(detail["input"], path),
        "list_type": lambda: _not_a_list(detail["input"], path),
        "dict_type": lambda: _not_a_table(detail["input"], path, root),
        "model_type": lambda: _not_a_table(detail["input"], path, root),
        "model_attributes_type": lambda: _not_a_table(detail["input"], path, root),
        "literal_error": lambda: _not_among(detail["input"], detail["ctx"]["expected"]),
    }
    message = special.get(detail["type"], lambda: _plain(detail["msg"]))()
    return message if detail["type"] in special else message + _got(detail["input"], path)


def _plain(message: str) -> str:
    for theirs in ("Input should", "String should", "Value should"):
        message = message.replace(theirs, "must")
    return message


def _not_a_list(given: Any, path: Path) -> str:
    if path == ("workflows",) and isinstance(given, dict):
        return 'each workflow is an entry of a list: write [[workflows]], and its name below as name = "…"'
    return 'must be a list, as in ["a", "b"]'


def _not_a_table(given: Any, path: Path, root: type[BaseModel]) -> str:
    name = dotted(path)
    if isinstance(given, list) and len(path) == 1:
        named = model_at(root, path) is None
        return f"write [{name}.NAME] for each, in single brackets" if named else f"write [{name}], in single brackets"
    if any(isinstance(part, int) for part in path):
        return "must be a table of keys and values: { … }"
    return f"must be a table of keys and values: [{name}]"


def _unknown_key(path: Path, root: type[BaseModel]) -> str:
    name = str(path[-1])
    model = model_at(root, path[:-1])
    near = did_you_mean(name, model.model_fields if model else ())
    if not near and (tables := tables_with(root, name)):
        near = f"; it belongs into [{tables[0]}]"
    return f"unknown key{near}"


def _not_among(given: Any, expected: str) -> str:
    known = [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]
    near = did_you_mean(given, known) if isinstance(given, str) else ""
    return f"must be one of {', '.join(known)} (got {_short(given)}){near}"


def _got(value: Any, path: Path) -> str:
    """Never for a value that may be a secret, nor for a whole table."""
    if isinstance(value, dict | list) or any(word in str(part).lower() for part in path for word in SECRET_WORDS):
        return ""
    return f" (got {_short(value)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
