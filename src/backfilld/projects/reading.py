"""A whole project: every workflow in it, or everything that is wrong with any of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.projects.archives import SUFFIX, ArchiveLimits, unpacked
from backfilld.projects.budget import Budget, Spent
from backfilld.projects.definitions import Translation
from backfilld.projects.faults import ProjectFault, ProjectInvalid
from backfilld.projects.yaml_text import NotYaml, read_yaml

LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class PushedWorkflow:
    """One workflow of a project, and the document that it was written as."""

    definition: WorkflowDefinition
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.definition.name


def read_archived_project(
    archive: bytes, project: str, rules: DefinitionRules, limits: ArchiveLimits, budget: Budget | None = None
) -> list[PushedWorkflow]:
    """The workflows in a gzip tar, by name. ProjectInvalid with every fault; NobodyWaits of the budget."""
    budget = budget or Budget()
    found = unpacked(archive, limits, budget)
    return read_files(found.workflows, project, rules, budget, found.others)


def read_files(
    files: Mapping[str, str],
    project: str,
    rules: DefinitionRules,
    budget: Budget | None = None,
    others: Collection[str] = (),
) -> list[PushedWorkflow]:
    """The workflows in `.dig` files, file name → text; `others` are the paths of all else in the project.

    ProjectInvalid with every fault; NobodyWaits of the budget.
    """
    budget = budget or Budget()
    faults: list[ProjectFault] = []
    found: list[PushedWorkflow] = []
    for file, text in sorted(files.items()):
        try:
            workflow = _read(file, text, project, rules, budget, others, faults)
        except Spent as problem:
            raise ProjectInvalid([*faults, ProjectFault(file, 1, str(problem))]) from None
        if workflow is not None:
            found.append(workflow)
    if faults:
        raise ProjectInvalid(faults)
    return found


def _read(
    file: str,
    text: str,
    project: str,
    rules: DefinitionRules,
    budget: Budget,
    others: Collection[str],
    faults: list[ProjectFault],
) -> PushedWorkflow | None:
    name = file.removesuffix(SUFFIX)
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        message = f"a workflow is named by its file, so that must have 1 to {LONGEST_NAME} printable characters"
        faults.append(ProjectFault(file, 0, message))
        return None
    try:
        document = read_yaml(text, budget)
    except NotYaml as problem:
        faults.append(ProjectFault(file, problem.line, str(problem)))
        return None
    translation = Translation(file, name, project, document, rules, budget, others)
    definition = translation.definition()
    faults += translation.faults
    return None if definition is None else PushedWorkflow(definition, document.value)
