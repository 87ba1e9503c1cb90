"""What `${name}` and `{name}` stand for in a request that is made for each item."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from backfilld.domain.placeholders import PLACEHOLDER, Unfilled, as_text, filled, look_up
from backfilld.domain.texts import exact_numbers
from backfilld.executors.base import Work

_IN_URL = re.compile(r"\{([^{}]*)\}")
_ROOTS = frozenset({"entity", "params", "idempotency_key", "attempt", "backfill", "rehearsal", "run_name"})
_DOTS = (".", "..")


def filling_names(name: str) -> bool:
    """Whether something is known by that name, or may be."""
    return name.strip().partition(".")[0] in _ROOTS


def variables_of(work: Work) -> Mapping[str, Any]:
    """What there is to put in."""
    key, attempt = work.idempotency_key, work.attempt
    return {
        "entity": {"id": work.entity_id, "type": work.entity_type, "attributes": work.attributes},
        "params": work.params,
        "idempotency_key": key,
        "run_name": key if attempt == 1 else f"{key}-{attempt}",
        "attempt": attempt,
        "backfill": {"id": None if work.backfill_id is None else str(work.backfill_id), "name": work.backfill_name},
        "rehearsal": work.rehearsal,
    }


def filled_path(path: str, variables: Mapping[str, Any]) -> str:
    """A path in which every value is one percent-encoded part and never leads elsewhere. Unfilled."""

    def part(match: re.Match[str]) -> str:
        text = as_text(look_up(match[1].strip(), variables))
        if not text or text in _DOTS:
            raise Unfilled("variable_unfit", f"{{{match[1]}}} is {text!r}, which is no part of a path")
        return quote(text, safe="")

    return _IN_URL.sub(part, path)


def filled_body(value: Any, variables: Mapping[str, Any]) -> Any:
    """A body with its values in place; a text that is nothing but a placeholder becomes the value itself. Unfilled."""
    if isinstance(value, str):
        whole = PLACEHOLDER.fullmatch(value)
        return exact_numbers(look_up(whole[1].strip(), variables)) if whole else filled(value, variables)
    if isinstance(value, Mapping):
        return {key: filled_body(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_body(inner, variables) for inner in value]
    return value
