"""`${name}` in a workflow's definition, put in for each session.

What is put in comes from people who may only start things, so it never changes where a request goes (the origin is
fixed), never ends a header, and never becomes a command: each place takes only what is harmless there. An item whose
variables do not fit fails, with the name of the variable.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.errors import Fault, pointer
from backfilld.domain.placeholders import (
    PLACEHOLDER,
    Unfilled,
    blanked,
    filled,
    filled_value,
    filled_where_known,
    names_in,
    problems_with,
    resolved_exports,
    texts_in,
)
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.base import Work
from backfilld.executors.definition import CommandExecutor, EchoExecutor, WorkflowDefinition
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.templates.shell_text import (
    ANYWHERE,
    Spot,
    fit_anywhere,
    fit_for_argument,
    spots_in,
    text_for_shell,
)

_DOTS = (".", "..")
SHELL = ("/bin/sh", "-c")

_CHOSEN_BY_CALLERS = frozenset({"retry_attempt_name"})
_FIT_FOR_A_HEADER = re.compile(r"[\t\x20-\x7e]*")
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Filling:
    """What there is to put in, of one workflow."""

    exports: Mapping[str, Any]

    def work(self, work: Work) -> Work:
        """The item with its exports resolved, as params and as variables. Unfilled."""
        variables = {**work.params, **work.variables}
        resolved = resolved_exports(self.exports, variables)
        return replace(
            work,
            params={**work.params, **resolved},
            variables={**variables, **resolved, **(work.session or {})},
        )

    def address(self, url: str, variables: Mapping[str, Any]) -> str:
        """`url` as far as `variables`, and the exports that stand on them, say it."""
        known = dict(variables)
        with suppress(Unfilled):
            known |= resolved_exports(self.exports, variables, of=[url])
        return filled_where_known(url, known)

    def http(self, executor: HttpExecutor, work: Work) -> HttpExecutor:
        """The executor as it is for a work that came from `work`. Unfilled."""
        headers = {
            name: filled(value, work.variables, _in_header) if isinstance(value, str) else value
            for name, value in executor.headers.items()
        }
        content = None if executor.content is None else filled_value(executor.content, work.variables)
        changes: dict[str, Any] = {
            "url": _filled_url(executor.url, work.variables),
            "headers": headers,
            "content": content,
        }
        if executor.poll is not None and executor.poll.url is not None:
            asked = _filled_url(executor.poll.url, work.variables)
            changes["poll"] = executor.poll.model_copy(update={"url": asked})
        return executor.model_copy(update=changes)

    def argv(self, argv: list[str], work: Work) -> list[str]:
        """The same for the arguments of a command: a value is never an option, and in a shell's text one word.

        What the definition itself says is the administrator's, and stands as it is. What is put into that is not.
        """
        of_shell = text_for_shell(argv)
        filled_in = [_filled_argument(text, work.variables) if n != of_shell else text for n, text in enumerate(argv)]
        if of_shell is not None:
            filled_in[of_shell] = self._shell_text(argv[of_shell], work)
        return filled_in

    def _shell_text(self, text: str, work: Work) -> str:
        session = work.session or {}
        own = set(self.exports) - set(session)
        ours = set(session) - _CHOSEN_BY_CALLERS  # times and numbers

        def fit(name: str, value: str, spot: Spot = ANYWHERE) -> str:
            if name.partition(".")[0] in own:
                return value
            return fit_anywhere(name, value) if name in ours else spot.fit(name, value)

        exports = {name: self.exports[name] for name in own}
        variables = {**work.variables, **resolved_exports(exports, work.variables, of=[text], fit=fit)}
        spots = spots_in(text)

        def fit_here(name: str, value: str) -> str:
            return fit(name, value, next(spots))

        return filled(text, variables, fit_here)

    def message(self, executor: EchoExecutor, work: Work) -> str:
        """The same for what is echoed."""
        return filled(executor.message, work.variables)


def _filled_argument(text: str, variables: Mapping[str, Any]) -> str:
    begins = PLACEHOLDER.match(text)
    name = begins[1].strip() if begins else None
    if name is not None:
        fit_for_argument(name, filled(f"${{{name}}}", variables))
    return filled(text, variables)


def _filled_url(url: str, variables: Mapping[str, Any]) -> str:
    result = filled(url, variables, lambda _, value: quote(value, safe=""))
    if set(_DOTS) & set(result.split("?", 1)[0].split("/")) and not set(_DOTS) & set(url.split("?", 1)[0].split("/")):
        raise Unfilled("variable_unfit", "with its variables the URL has a part '.' or '..', which leads elsewhere")
    return result


def _in_header(name: str, value: str) -> str:
    if not _FIT_FOR_A_HEADER.fullmatch(value):
        raise Unfilled("variable_unfit", f"${{{name}}} holds characters that a header may not have")
    return value


def unfilled_verdict(problem: Unfilled) -> Verdict:
    """The item's own fault: trying again would not help."""
    return Verdict(VerdictKind.FAILED, error_class=problem.code, error=clean_text(str(problem), MESSAGE_BYTES))


def with_content(work: Work, content: Mapping[str, Any] | None) -> Work:
    """The item with what its workflow sends along."""
    return work if content is None else replace(work, params={**work.params, **content})


def without_placeholders(executor: HttpExecutor) -> HttpExecutor:
    """To be checked by the rules for all URLs and headers."""
    headers = {name: blanked(value) if isinstance(value, str) else value for name, value in executor.headers.items()}
    changes: dict[str, Any] = {"url": blanked(executor.url), "headers": headers}
    if executor.poll is not None and executor.poll.url is not None:
        changes["poll"] = executor.poll.model_copy(update={"url": blanked(executor.poll.url)})
    return executor.model_copy(update=changes)


def substitution_faults(definition: WorkflowDefinition) -> Iterator[Fault]:
    """What is wrong with the placeholders of a definition that has them put in."""
    for place, text in _texts_of(definition):
        for problem in problems_with(text):
            yield Fault(pointer(*place), "invalid_placeholder", problem)
    executor = definition.executor
    if isinstance(executor, HttpExecutor):
        urls = {"url": executor.url} | ({"poll": executor.poll.url} if executor.poll and executor.poll.url else {})
        for key, url in urls.items():
            if names_in(_origin(url)):
                message = "a placeholder may stand in the path and the query, not in the scheme, host or port"
                yield Fault(pointer("executor", key), "invalid_url", message)


def _origin(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return url if not separator else scheme + separator + re.split(r"[/?#]", rest, maxsplit=1)[0]


def _texts_of(definition: WorkflowDefinition) -> Iterator[tuple[Place, str]]:
    executor = definition.executor
    places: dict[Place, Any] = {("exports", name): value for name, value in definition.exports.items()}
    if isinstance(executor, HttpExecutor):
        places[("executor", "url")] = executor.url
        places |= {("executor", "headers", name): v for name, v in executor.headers.items() if isinstance(v, str)}
        places |= {("executor", "content", name): v for name, v in (executor.content or {}).items()}
        if executor.poll is not None and executor.poll.url is not None:
            places[("executor", "poll", "url")] = executor.poll.url
    elif isinstance(executor, CommandExecutor):
        places |= {("executor", "argv", number): text for number, text in enumerate(executor.argv)}
    elif isinstance(executor, EchoExecutor):
        places[("executor", "message")] = executor.message
    for place, value in places.items():
        for text in texts_in(value):
            yield place, text
