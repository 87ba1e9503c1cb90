"""What `${name}` and `{name}` stand for in a request that is made for each item."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from backfilld.domain.entities.attributes_text import AttributesText
from backfilld.domain.placeholders import LONGEST, PLACEHOLDER, Unfilled, as_text, look_up
from backfilld.domain.texts import exact_numbers
from backfilld.executors.base import Work

_IN_URL = re.compile(r"\{([^{}]*)\}")
_ROOTS = frozenset(
    {
        "entity",
        "entity_id",
        "session",
        "workflow",
        "params",
        "idempotency_key",
        "attempt",
        "backfill",
        "rehearsal",
        "run_name",
        "null",
    }
)
RUN_NAME, SHORT_RUN_NAME = "run_name", "run_name.short"
_DOTS = (".", "..")


def filling_names(name: str) -> bool:
    """Whether something is known by that name, or may be."""
    return name.strip().partition(".")[0] in _ROOTS


def names_a_run(texts: Iterable[str]) -> bool:
    """Whether one of the texts has the name of the run in it."""
    return any(inner.strip() in (RUN_NAME, SHORT_RUN_NAME) for text in texts for inner in _IN_URL.findall(text))


def run_name(work: Work, run: int) -> str:
    """What the `run`th run of an item is called: by the key alone for the first, and with its number later."""
    return work.idempotency_key if run == 1 else f"{work.idempotency_key}-{run}"


def variables_of(work: Work, run: int | None = None) -> Mapping[str, Any]:
    """What there is to put in. `run`: which run of the item it is, if not that of the attempt."""
    name = run_name(work, work.attempt if run is None else run)
    attributes = work.attributes
    if isinstance(attributes, AttributesText):
        attributes = attributes.parsed()  # once, for all names that lead into them
    return {
        "entity": {"id": work.entity_id, "type": work.entity_type, "attributes": attributes},
        "entity_id": work.entity_id,
        "session": work.session or {},
        "workflow": {"id": work.workflow_id, "name": work.workflow_name},
        "params": work.params,
        "idempotency_key": work.idempotency_key,
        RUN_NAME: name,
        SHORT_RUN_NAME: f"bf-{sha256(name.encode()).hexdigest()[:32]}",
        "null": None,  # which a file in TOML cannot say otherwise
        "attempt": work.attempt,
        "backfill": {"id": None if work.backfill_id is None else str(work.backfill_id), "name": work.backfill_name},
        "rehearsal": work.rehearsal,
    }


def filled_path(path: str, variables: Mapping[str, Any]) -> str:
    """A path in which every value is one percent-encoded part and never leads elsewhere. Unfilled."""

    def part(match: re.Match[str]) -> str:
        text = as_text(_value(match[1].strip(), variables))
        if not text or text in _DOTS:
            raise Unfilled("variable_unfit", f"{{{match[1]}}} is {text!r}, which is no part of a path")
        return quote(text, safe="")

    return _IN_URL.sub(part, path)


def filled_body(value: Any, variables: Mapping[str, Any]) -> Any:
    """A body with its values in place; a text that is nothing but a placeholder becomes the value itself. Unfilled."""
    if isinstance(value, str):
        whole = PLACEHOLDER.fullmatch(value)
        return exact_numbers(_value(whole[1].strip(), variables)) if whole else _filled(value, variables)
    if isinstance(value, Mapping):
        return {key: filled_body(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_body(inner, variables) for inner in value]
    return value


def filled_url(url: str, variables: Mapping[str, Any]) -> str:
    """A whole URL: what is put in stands behind its host, since the rules of definitions let it stand nowhere else.
    Unfilled."""
    return filled_path(url, variables)


def _filled(text: str, variables: Mapping[str, Any]) -> str:
    result = PLACEHOLDER.sub(lambda match: as_text(_value(match[1].strip(), variables)), text)
    if len(result) > LONGEST:
        raise Unfilled("text_too_long", f"with its variables the text is longer than {LONGEST} characters")
    return result


def _value(name: str, variables: Mapping[str, Any]) -> Any:
    """`run_name.short` is a name of its own; others lead into what there is."""
    return variables[name] if name in variables else look_up(name, variables)
