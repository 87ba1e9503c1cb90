"""What a workflow file needs that is not here: all of it, once each, whatever else is wrong with the file.

Whoever has forty files decides by this which of them to move, which to put behind a service, and which to leave.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backfilld.projects.budget import Spent
from backfilld.projects.operators import OPERATORS, Operator
from backfilld.projects.script_files import files_named
from backfilld.projects.yaml_text import Document, NotYaml, Place, read_yaml

# Keys of digdag that are not done here; why, where it helps.
ELSEWHERE: Mapping[str, str] = {
    "_parallel": "tasks do not run in parallel here; raise maxInFlight of a backfill instead",
    "_error": "nothing runs after a failure here; watch the attempts instead",
    "_check": "nothing runs after a success here; let the target do it",
    "_background": "tasks do not run in the background here",
    "_after": "there is one task only, so it comes after no other",
    "_do": "there are no groups of tasks here; let the target loop",
    "_else_do": "there are no groups of tasks here; let the target decide",
    "_secrets": "secrets are set for the project, and named in headers as ${secret:key}",
    "sla": "sessions are not watched for lateness here",
    "!include": "files are not included here; put the text of that file here",
}
ADVICE = (
    "What does not run here can become one service that a single 'http>' task calls with each session, or stay where it"
    " runs now."
)
# Of digdag and its usual plugins: none of them is one of ours, misspelt.
DIGDAGS_OWN = frozenset({
    "call>", "http_call>", "require>", "loop>", "for_each>", "for_range>", "if>", "fail>", "wait>", "td>",
    "td_run>", "td_ddl>", "td_load>", "td_for_each>", "td_wait>", "td_wait_table>", "td_partial_delete>",
    "td_table_export>", "td_result_export>", "td_result_output>", "pg>", "redshift>", "redshift_load>",
    "redshift_unload>", "snowflake>", "bq>", "bq_ddl>", "bq_extract>", "bq_load>", "gcs_wait>", "s3_wait>",
    "s3_copy>", "s3_delete>", "s3_move>", "s3_touch>", "emr>", "mail>", "slack>", "embulk>", "py>", "rb>",
    "param_get>", "param_set>", "ecs_task.run>", "ecs_task.sh>", "ecs_task.py>", "athena.query>",
})  # fmt: skip
_NO_TASKS = ("_export", "_secrets", "_env", "_retry")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_PLAIN = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_.]*\s*|secret:[^{}\s]*")


@dataclass
class Needs:
    """`operators`: those that do not run here, with how many tasks have them; `others`: keys, options, exports, tags,
    expressions, and files of the project that scripts name."""

    file: str
    tasks: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    others: list[str] = field(default_factory=list)
    is_readable: bool = True

    def words(self) -> list[str]:
        """All of it, as a person reads it."""
        several = [f"{self.tasks} tasks"] if self.tasks > 1 else []
        counted = [name if count == 1 else f"{name} ({count} times)" for name, count in self.operators.items()]
        return [*several, *counted, *self.others] if self.is_readable else ["a file that can be read"]


def needs_of(file: str, text: str, files: Collection[str] = ()) -> Needs:
    """Of one file, beside the other `files` of its project; of one that is no YAML, nothing but `is_readable`."""
    try:
        document = read_yaml(text)
    except (NotYaml, Spent):
        return Needs(file, is_readable=False)
    needs = Needs(file)
    for place, body in tasks_in(document.value):
        operators = [key for key in body if is_operator(key)]
        needs.tasks += bool(operators) or (place != () and not any(key.startswith("+") for key in body))
        needs.operators.update(key for key in operators if key not in OPERATORS)
    bodies = [body for _, body in tasks_in(document.value)]
    found = [key for key in ELSEWHERE if key in _keys(document)]
    found += [f"'{key}' of '{name}'" for name, key in _options(bodies)]
    found += [f"'{key}' in '_export'" for key in _exports(bodies)]
    found += [f"the file {name}" for name in _files(bodies, files)]
    found += ["expressions in ${…}"] if any(_is_expression(text) for text in _texts(document.value)) else []
    needs.others = list(dict.fromkeys(found))
    return needs


def tasks_in(body: Mapping[str, Any], place: Place = ()) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The workflow, and every task and group in it, in their order."""
    yield place, body
    for key, value in body.items():
        if isinstance(value, Mapping) and key.startswith(("+", "_")) and key not in _NO_TASKS:
            yield from tasks_in(value, (*place, key))


def is_operator(key: str) -> bool:
    """Whether the key of a task says what it does."""
    return key.endswith(">") and not key.startswith(("+", "_"))


def _keys(document: Document) -> set[str]:
    tags = {"!include" for _, message in document.faults if "!include" in message}
    return {key for _, body in tasks_in(document.value) for key in body} | tags


def _of_ours(bodies: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Operator, Mapping[str, Any]]]:
    """Each operator that runs here, with the task that has it."""
    for body in bodies:
        yield from ((OPERATORS[key], body) for key in body if key in OPERATORS)


def _options(bodies: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Options of operators of ours that they do not have here."""
    for operator, body in _of_ours(bodies):
        yield from ((operator.name, key) for key in body if key in operator.refused)


def _exports(bodies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Exports that would change how a task of ours is run."""
    would = {key for operator, _ in _of_ours(bodies) for key in operator.exported}
    for body in bodies:
        exported = body.get("_export")
        yield from (key for key in exported if key in would) if isinstance(exported, Mapping) else ()


def _files(bodies: Iterable[Mapping[str, Any]], files: Collection[str]) -> Iterator[str]:
    """Files of the project that scripts name."""
    for body in bodies:
        if isinstance(script := body.get("sh>"), str):
            yield from files_named(script, files)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _is_expression(text: str) -> bool:
    return any(not _PLAIN.fullmatch(inner) for inner in _PLACEHOLDER.findall(text))
