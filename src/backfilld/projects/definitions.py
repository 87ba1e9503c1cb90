"""One digdag workflow as a definition of ours: what runs here is taken over, what does not is named.

backfilld runs one task per session, which is handed to a service, a shell or the log. A workflow that asks for more
is refused when it is pushed, with the line, instead of being run half.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from backfilld.domain.errors import Fault, did_you_mean
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.definitions.http import Poll
from backfilld.projects.budget import Budget
from backfilld.projects.faults import ProjectFault
from backfilld.projects.needs import DIGDAGS_OWN, ELSEWHERE, is_operator, tasks_in
from backfilld.projects.operators import OPERATORS, Operator, Task
from backfilld.projects.script_files import files_named
from backfilld.projects.wording import in_words
from backfilld.projects.yaml_text import Document, Place

TOP_KEYS = ("timezone", "schedule", "_export", "_retry")
TASK_KEYS = ("_export", "_retry")
MOST_RETRIES = 19
_OF_A_KEY = "[key]"  # pydantic's place for what is wrong with a key itself
NOTHING = {"type": "echo", "message": ""}
_LONGEST_SHOWN = 60


@dataclass
class Translation:
    """A workflow on its way from one shape to the other; gathers faults with their lines."""

    file: str
    name: str
    project: str
    document: Document
    rules: DefinitionRules
    budget: Budget = field(default_factory=Budget)
    others: Collection[str] = ()  # files of the project besides its workflows
    faults: list[ProjectFault] = field(default_factory=list)
    _named: set[str] = field(default_factory=set)  # operators that do not run here, and were said so

    def definition(self) -> WorkflowDefinition | None:
        """The definition; None, and `faults`, if there is none."""
        for line, message in self.document.faults:
            self.faults.append(ProjectFault(self.file, line, message))
        top = self.document.value
        tasks = [key for key in top if key.startswith("+")]
        operators = [key for key in top if key.endswith(">") and not key.startswith(("+", "_"))]
        task = self._task(tasks, operators)
        taken = task.place == () if task else False
        for key in top:
            if key not in TOP_KEYS and key not in tasks and key not in operators and not taken:
                self._unknown((key,), key, TOP_KEYS)
        for place, body in tasks_in(top):
            for name in body:
                if is_operator(name) and name not in OPERATORS:
                    self._unknown_operator((*place, name), name)
        return self._checked(self._draft(task), task)

    def blame(self, place: Place, message: str) -> None:
        """Note a fault at a place of the document."""
        self.budget.look_up()
        self.faults.append(ProjectFault(self.file, self.document.line(place), message))

    def _task(self, tasks: list[str], operators: list[str]) -> Task | None:
        if not tasks and not operators:
            self.blame((), f"has no task; expected one with {_known_operators()}")
            return None
        for extra in [*tasks, *operators][1:2]:
            more = len(tasks) + len(operators) - 2
            besides = f", and {more} more behind it" if more else ""
            shown = extra[:_LONGEST_SHOWN]
            self.blame((extra,), f"'{shown}' is a second task{besides}; a workflow has exactly one here")
        if not tasks:
            return self._read_task((), self.document.value, TOP_KEYS)
        body = self.document.value[tasks[0]]
        if not isinstance(body, Mapping):
            self.blame((tasks[0],), f"a task must be a mapping with {_known_operators()}")
            return None
        if tasks[0] == "+":
            self.blame((tasks[0],), "a task needs a name of 1 to 255 characters behind its '+'")
        return self._read_task((tasks[0],), body, TASK_KEYS)

    def _read_task(self, place: Place, body: Mapping[str, Any], besides: tuple[str, ...]) -> Task | None:
        inner = [key for key in body if key.startswith("+")] if place else []
        for key in inner[:1]:
            more = f", and {len(inner) - 1} more beside it" if len(inner) > 1 else ""
            shown = key[:_LONGEST_SHOWN]
            self.blame((*place, key), f"'{shown}' is a task in a task{more}; a workflow has exactly one here")
        operators = [key for key in body if key.endswith(">")]
        for key in operators[1:] if place else []:
            self.blame((*place, key), f"'{key}' is a second operator; a task has exactly one")
        if not operators:
            if not inner:
                self.blame(place, f"the task has no operator; expected {_known_operators()}")
            return None
        operator = OPERATORS.get(operators[0])
        if operator is None:
            self._unknown_operator((*place, operators[0]), operators[0])
            return None
        for key in body:
            if key not in (*operators, *inner, *besides, *operator.options):
                self._unknown((*place, key), key, (*operator.options, *besides), operator)
        return Task(operator, place, body)

    def _unknown_operator(self, place: Place, name: str) -> None:
        if name in self._named:
            return
        self._named.add(name)
        hint = "" if name in DIGDAGS_OWN else did_you_mean(name, OPERATORS)
        message = f"the operator '{name[:_LONGEST_SHOWN]}' does not run here; known are {_known_operators()}{hint}"
        self.blame(place, message)

    def _unknown(self, place: Place, key: str, known: tuple[str, ...], operator: Operator | None = None) -> None:
        shown = key[:_LONGEST_SHOWN]
        if key in ELSEWHERE:
            self.blame(place, f"'{shown}': {ELSEWHERE[key]}")
        elif operator is not None and (reason := operator.refused.get(key)):
            self.blame(place, f"'{shown}': {reason}")
        elif key.endswith(">"):
            self._unknown_operator(place, key)
        else:
            of = "a workflow" if operator is None else f"'{operator.name}'"
            self.blame(place, f"{of} takes no '{shown}' here{did_you_mean(key, known)}")

    def _draft(self, task: Task | None) -> dict[str, Any]:
        """What the definition would be, as far as it can be told."""
        top = self.document.value
        draft: dict[str, Any] = {"name": self.name, "project": self.project, "substitutes": True}
        draft["max_attempts"] = 1 + self._retries(task)
        if task is not None and task.place not in ((), ("+",)):
            draft["task"] = str(task.place[0]).removeprefix("+")
        exports = self._exports(("_export",), top.get("_export"), task)
        if task is not None and task.place:
            exports |= self._exports((*task.place, "_export"), task.body.get("_export"), task)
        if exports:
            draft["exports"] = exports
        for key in ("timezone", "schedule"):
            if top.get(key) is not None:
                draft[key] = top[key]
        if task is None:
            return draft | {"executor": NOTHING}  # so that everything else can be looked at
        draft["executor"], more = task.operator.read(task, self.blame)
        if task.operator.name == "sh>" and isinstance(task.value, str):
            self._refuse_files(task)
        return draft | more

    def _refuse_files(self, task: Task) -> None:
        self.budget.look_up()
        for file in files_named(task.value, self.others)[:3]:
            shown = file[:_LONGEST_SHOWN]
            self.blame(
                (*task.place, task.operator.name),
                f"'{shown}' is a file of the project, which is not there when the script runs; write what it does into"
                " 'sh>', or install it on the daemon's machine and name its whole path",
            )

    def _retries(self, task: Task | None) -> int:
        retries = 0
        places: list[tuple[Place, Any]] = [(("_retry",), self.document.value.get("_retry"))]
        if task is not None and task.place:
            places.append(((*task.place, "_retry"), task.body.get("_retry")))
        for place, value in places:
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
                self.blame(place, f"'_retry' must be a number from 0 to {MOST_RETRIES}; the pauses are ours")
            else:
                retries = value
        return retries

    def _exports(self, place: Place, value: Any, task: Task | None) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.blame(place, "'_export' must be a mapping of names and values")
            return {}
        if task is not None:
            self._refuse_defaults(place, value, task.operator)
        return dict(value)

    def _refuse_defaults(self, place: Place, exports: Mapping[str, Any], operator: Operator) -> None:
        """Exports that are options of the operator to digdag, and mere variables here."""
        for key, instead in operator.exported.items():
            if exports.get(key) is not None:
                name = f"'{key}' in '_export'"
                self.blame((*place, key), f"{name} would change how '{operator.name}' is run: {instead}")

    def _checked(self, draft: dict[str, Any], task: Task | None) -> WorkflowDefinition | None:
        try:
            definition = WorkflowDefinition.model_validate(draft)
        except ValidationError as problem:
            for error in problem.errors(include_url=False, include_input=False):
                parts = [part for n, part in enumerate(error["loc"]) if not (n == 1 and error["loc"][0] == "executor")]
                place = self._place(tuple(parts), task)
                self.blame(place, in_words(error, _name(place), Poll.model_fields if "poll" in place else ()))
            self._look_further(draft, {error["loc"][0] for error in problem.errors() if error["loc"]}, task)
            return None
        for fault in definition_faults(definition, self.rules):
            self.blame(self._place(_parts(fault), task), _sentence(fault, task))
        return definition if task is not None else None

    def _look_further(self, draft: dict[str, Any], bad: set[Any], task: Task | None) -> None:
        """What else is wrong, beside the parts that have not even the right shape."""
        rest = {key: value for key, value in draft.items() if key not in bad}
        try:
            definition = WorkflowDefinition.model_validate({"executor": NOTHING} | rest)
        except ValidationError:
            return
        for fault in definition_faults(definition, self.rules):
            self.blame(self._place(_parts(fault), task), _sentence(fault, task))

    def _place(self, parts: tuple[str | int, ...], task: Task | None) -> Place:
        """Where in the document that part of the definition was written."""
        if task is None:
            return ("_export", *parts[1:]) if parts[:1] == ("exports",) else parts
        if parts[:1] == ("executor",):
            inner = parts[1:]
            if not inner or inner[0] in (task.operator.main, "type"):
                return (*task.place, task.operator.name)
            if inner[0] == "headers" and isinstance(listed := task.body.get("headers"), list):
                number = next((n for n, each in enumerate(listed) if inner[1:2] and inner[1] in each), 0)
                return (*task.place, "headers", number, *inner[1:])
            return (*task.place, *inner)
        if parts[:1] in (("timeout_seconds",), ("task",)):
            return (*task.place, *(["timeout"] if parts[0] == "timeout_seconds" else []))
        if parts[:1] == ("exports",):
            of_task = (*task.place, "_export", *parts[1:])
            return of_task if of_task in self.document.lines else ("_export", *parts[1:])
        return parts


def _name(place: Place) -> str:
    """The key that is to blame: the innermost that has a name."""
    return next((part for part in reversed(place) if isinstance(part, str) and part != _OF_A_KEY), "")


def _parts(fault: Fault) -> tuple[str | int, ...]:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in fault.path.split("/")[1:]]
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _sentence(fault: Fault, task: Task | None) -> str:
    if fault.code == "executor_not_allowed" and task is not None:
        return (
            f"'{task.operator.name}' is not allowed here; whoever runs this service may allow it:"
            ' executors.definable_by_api = ["http", "command"]'
        )
    if fault.code == "literal_secret":
        return "the value of this header is a secret: set it for the project and write ${secret:key}"
    where = _parts(fault)
    if where and where[0] == "schedule" and len(where) > 1:
        return (
            f"'{where[-1]}' {fault.message}"
            if not fault.message.startswith(("a schedule", "there is"))
            else fault.message
        )
    return fault.message


def _known_operators() -> str:
    *first, last = OPERATORS
    return f"{', '.join(first)} or {last}"
