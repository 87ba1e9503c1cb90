"""`${name}` in the texts of a workflow: what may stand there, and what is put in its place.

Names only, with dots into objects. digdag evaluates JavaScript there; a service that does so for texts from elsewhere
has to guard a language, and the same text would mean something else on the next engine.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*"
DEEPEST = 10
LONGEST = 65_536

PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_OPENING = re.compile(r"\$\{")
_NAME = re.compile(NAME)
_SECRET = re.compile(r"\$\{\s*secret:([^{}\s]+)\s*\}")


class Unfilled(Exception):
    """A text that cannot be filled in; `code` is a short stable word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def secret_key(text: str) -> str | None:
    """The key if the whole text is `${secret:key}`."""
    match = _SECRET.fullmatch(text.strip())
    return match[1] if match else None


def names_in(text: str) -> list[str]:
    """The names that a text refers to."""
    return [inner.strip() for inner in PLACEHOLDER.findall(text)]


def problems_with(text: str) -> Iterator[str]:
    """What is wrong with the placeholders of a text, one sentence each."""
    inners = [match[1] for match in PLACEHOLDER.finditer(text)]
    for inner in inners:
        name = inner.strip()
        if name.startswith("secret:"):
            yield f"${{{inner}}} may only be the whole value of a header"
        elif not _NAME.fullmatch(name):
            yield f"${{{inner[:100]}}} is an expression; only names are put in here, such as ${{session_time}}"
    if len(_OPENING.findall(text)) > len(inners):
        rest = PLACEHOLDER.sub("", text)
        yield f"{rest[rest.find('${') :][:100]!r} is an expression, or does not end; only names are put in here"


def blanked(text: str, filler: str = "x") -> str:
    """The text with every placeholder replaced, to look at what is around them."""
    return PLACEHOLDER.sub(filler, text)


Fit = Callable[[str, str], str]
"""Makes the text of a variable, by its name, fit to stand somewhere; raises Unfilled if it cannot."""


def _as_it_is(_: str, value: str) -> str:
    return value


def filled(text: str, variables: Mapping[str, Any], fit: Fit = _as_it_is) -> str:
    """The text with its variables in place. Unfilled."""
    result = PLACEHOLDER.sub(lambda match: fit(match[1].strip(), as_text(look_up(match[1].strip(), variables))), text)
    if len(result) > LONGEST:
        raise Unfilled("text_too_long", f"with its variables the text is longer than {LONGEST} characters")
    return result


def filled_where_known(text: str, variables: Mapping[str, Any]) -> str:
    """The text with those of its variables in place that there are; the others stay placeholders."""

    def known(match: re.Match[str]) -> str:
        try:
            return as_text(look_up(match[1].strip(), variables))
        except Unfilled:
            return match[0]

    return PLACEHOLDER.sub(known, text)


def filled_value(value: Any, variables: Mapping[str, Any], fit: Fit = _as_it_is) -> Any:
    """The same for every text inside a JSON value."""
    if isinstance(value, str):
        return filled(value, variables, fit)
    if isinstance(value, Mapping):
        return {key: filled_value(inner, variables, fit) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_value(inner, variables, fit) for inner in value]
    return value


def look_up(name: str, variables: Mapping[str, Any]) -> Any:
    """The value of a name, or of a dotted one. Unfilled `variable_missing`."""
    found: Any = variables
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise Unfilled("variable_missing", f"there is no variable ${{{name[:100]}}}")
        found = found[part]
    return found


def as_text(value: Any) -> str:
    """How a value looks inside a text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def resolved_exports(
    exports: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    of: Iterable[str] | None = None,
    fit: Fit = _as_it_is,
) -> dict[str, Any]:
    """The exports with what they refer to put in, be it variables or each other. Unfilled, also for a circle.

    `of`: only what these texts refer to. A variable's own text is taken as it is: only what stands in the definition is
    looked through for names.
    """
    done: dict[str, Any] = {}

    def resolve(name: str, trail: tuple[str, ...]) -> None:
        if name in trail or len(trail) > DEEPEST:
            raise Unfilled(
                "variables_in_a_circle", f"the exports {', '.join(trail)} refer to each other without an end"
            )
        for root in roots_in(exports[name]):
            if root in exports and root not in done:
                resolve(root, (*trail, name))
        done[name] = filled_value(exports[name], {**variables, **done}, fit)

    for name in exports if of is None else sorted(roots_in(list(of)) & set(exports)):
        if name not in done:
            resolve(name, ())
    return done


def roots_in(value: Any) -> set[str]:
    """The names, without what follows a dot, that the texts inside a value refer to."""
    return {name.partition(".")[0] for text in texts_in(value) for name in names_in(text)}


def texts_in(value: Any) -> Iterator[str]:
    """Every text inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)
