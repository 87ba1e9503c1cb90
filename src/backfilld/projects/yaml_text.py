"""YAML as digdag reads it: YAML 1.1 without its surprises, and with the line of everything.

`10:00:00` is text and not 36000, `yes` is text and not true, `2016-01-01` is text and not a date. Keys may not be given
twice, and tags such as `!include` are refused: what is pushed is what runs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from backfilld.projects.budget import Budget

Place = tuple[str | int, ...]

MOST_NODES = 20_000  # with every alias and every merge written out
DEEPEST = 50
_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"0|[-+]?[1-9][0-9_]*|[-+]?0")
_BASES = ((re.compile(r"([-+]?)0b([01_]+)"), 2), (re.compile(r"([-+]?)0x([0-9a-fA-F_]+)"), 16))
_OCTAL = re.compile(r"([-+]?)0([0-7_]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, Any] = {
    "true": True, "True": True, "false": False, "False": False,
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
}  # fmt: skip
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_LONGEST_SHOWN = 60
_LARGEST = 2**63 - 1
_MOST_DIGITS = 1_000  # as in JSON; Python itself refuses to read 4,301


class NotYaml(Exception):
    """The text cannot be read. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping, and the line at which each of its values stands, by its place in it; and lesser faults."""

    value: Mapping[str, Any]
    lines: Mapping[Place, int]
    faults: tuple[tuple[int, str], ...]

    def line(self, place: Place) -> int:
        """Of the innermost part that has one."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


class _Loader(yaml.SafeLoader):
    """Composes nodes; what their texts mean is said below. No tag is ever guessed here."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the name and the kind are PyYAML's

    def __init__(self, text: str, budget: Budget) -> None:
        super().__init__(text)
        self._budget = budget

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self._budget.spend()
        return super().compose_node(parent, index)


def read_yaml(text: str, budget: Budget | None = None) -> Document:
    """The document; NotYaml if there is none, or if it is no mapping. NobodyWaits and Spent of the budget."""
    budget = budget or Budget()
    try:
        node = _Loader(text, budget).get_single_node()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        words = " ".join(part for part in (problem.context, problem.problem) if part)
        raise NotYaml(mark.line + 1 if mark else 1, words) from problem
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position if isinstance(problem.position, int) else 0) + 1
        raise NotYaml(line, "has a character that YAML does not allow") from problem
    except (yaml.YAMLError, ValueError) as problem:
        raise NotYaml(1, str(problem)[:_LONGEST_SHOWN]) from problem
    except RecursionError:
        raise NotYaml(1, "is nested too deep") from None
    if not isinstance(node, MappingNode):
        raise NotYaml(1 if node is None else _line(node), "must be a mapping: keys and values")
    reading = _Reading(budget)
    value = reading.value(node, ())
    return Document(value, reading.lines, tuple(reading.faults))


@dataclass
class _Reading:
    """One document on its way from nodes to values."""

    budget: Budget
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    nodes: int = 0

    def value(self, node: Node, place: Place) -> Any:
        self._count(node, place)
        self.lines.setdefault(place, _line(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if not node.tag.startswith(_TAG):
            self._tag(node)
        if isinstance(node, SequenceNode):
            return [self.value(inner, (*place, number)) for number, inner in enumerate(node.value)]
        assert isinstance(node, MappingNode)  # noqa: S101 - there is no fourth kind
        return self._mapping(node, place)

    def _count(self, node: Node, place: Place) -> None:
        self.budget.spend()
        self.nodes += 1
        if self.nodes > MOST_NODES or len(place) > DEEPEST:
            message = f"has more than {MOST_NODES} values, or is nested deeper than {DEEPEST}, with aliases written out"
            raise NotYaml(_line(node), message)

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key == "<<" and key_node.style is None:
                for key, value in self._merged(value_node, place):
                    self._count(value_node, place)
                    merged.setdefault(key, value)
                continue
            if key in found:
                self.faults.append((_line(key_node), f"'{key[:_LONGEST_SHOWN]}' is given twice"))
                continue
            self.lines[(*place, key)] = _line(key_node)
            found[key] = self.value(value_node, (*place, key))
        return found | {key: value for key, value in merged.items() if key not in found}

    def _merged(self, node: Node, place: Place) -> Iterator[tuple[str, Any]]:
        for each in node.value if isinstance(node, SequenceNode) else [node]:
            self._count(each, place)
            if isinstance(each, MappingNode):
                yield from self._mapping(each, (*place, "<<")).items()
            else:
                self.faults.append((_line(each), "'<<' takes a mapping, or a list of them"))

    def _key(self, node: Node) -> str | None:
        if isinstance(node, ScalarNode) and (node.tag.startswith(_TAG) or node.tag == "!"):
            if not _UNFIT.search(node.value):
                return str(node.value)
            self.faults.append((_line(node), "a key holds a NUL or half a surrogate pair"))
        elif isinstance(node, ScalarNode):
            self._tag(node)
        else:
            self.faults.append((_line(node), "a key must be text"))
        return None

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        if _UNFIT.search(text):
            self.faults.append((_line(node), "the text holds a NUL or half a surrogate pair"))
            return ""
        if node.tag not in (_TAG + "str", "!"):
            self._tag(node)
            return text
        if node.style is not None or node.tag == "!":
            return text
        if len(text) > _MOST_DIGITS and _INTEGER.fullmatch(text):
            message = f"a number of {len(text)} digits is more than can be meant; put it into quotes if it is text"
            self.faults.append((_line(node), message))
            return 0
        return plain_value(text)

    def _tag(self, node: Node) -> None:
        shown = node.tag.replace(_TAG, "!!")[:_LONGEST_SHOWN]
        hint = "; put the text of that file here" if node.tag.startswith("!include") else ""
        self.faults.append((_line(node), f"the tag {shown} is not read here{hint}"))


def plain_value(text: str) -> Any:
    """What a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _small(int(text.replace("_", "")), text)
    for pattern, base in _BASES:
        if (match := pattern.fullmatch(text)) and match[2].strip("_"):
            return _small(int(match[1] + match[2].replace("_", ""), base), text)
    if (match := _OCTAL.fullmatch(text)) and match[2].strip("_"):
        return _small(int(match[1] + match[2].replace("_", ""), 8), text)
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        return number if abs(number) != float("inf") else text
    return text


def _small(number: int, text: str) -> int | str:
    """A number that JSON has room for; a larger one stays text."""
    return number if -_LARGEST <= number <= _LARGEST else text


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
