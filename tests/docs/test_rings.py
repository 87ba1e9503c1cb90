"""What docs/design.md says of the rings is so, and docs/guarantees.md says which of them holds a promise."""

import ast
import re
from enum import StrEnum
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Whoever runs the program itself: it is what they are about.
LONG_WAY = {"tests/cli/test_demo.py", "tests/cli/test_demo_parts.py", "tests/cli/test_main.py"}


class Ring(StrEnum):
    QUICK = "quick"
    BOTH = "quick, and more of it in the slow ring"
    SLOW = "slow ring alone"


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def module(file: str) -> ast.Module:
    return ast.parse(text_of(file))


@cache
def constants(file: str) -> dict[str, str]:
    """What names of the module stand for, as it is written there."""
    assigned = (node for node in module(file).body if isinstance(node, ast.Assign))
    return {
        target.id: ast.unparse(node.value)
        for node in assigned
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def meant(file: str, node: ast.expr) -> str:
    """An expression, with names of the module replaced by what they stand for."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & constants(file).keys()
    return " ".join([ast.unparse(node), *(constants(file)[name] for name in names)])


def cases_of(file: str, decorator: ast.expr) -> list[str] | None:
    """Each case that a decorator makes, as it is written; None if it makes none."""
    if not isinstance(decorator, ast.Call):
        return None
    if ast.unparse(decorator.func) == "points":
        slow = [meant(file, word.value) + " mark.slow" for word in decorator.keywords if word.arg == "slow"]
        return [*(meant(file, point) for point in decorator.args), *slow]
    if ast.unparse(decorator.func).endswith("parametrize"):
        cases = decorator.args[1]
        return (
            [meant(file, case) for case in cases.elts]
            if isinstance(cases, ast.List | ast.Tuple)
            else [meant(file, cases)]
        )
    return None


def ring_of(file: str, name: str) -> Ring:
    """As the marks on it say."""
    if "mark.slow" in constants(file).get("pytestmark", ""):
        return Ring.SLOW
    test = next(node for node in ast.walk(module(file)) if getattr(node, "name", None) == name)
    ring = Ring.QUICK
    for decorator in test.decorator_list:
        cases = cases_of(file, decorator)
        if cases is None:
            cases = [meant(file, decorator)] if "mark.slow" in meant(file, decorator) else []
        slow = ["mark.slow" in case for case in cases]
        if slow and all(slow):
            return Ring.SLOW
        ring = Ring.BOTH if any(slow) else ring
    return ring


def claims() -> list[str]:
    return re.findall(r"^\| (?!claim|---).*$", text_of("docs/guarantees.md"), re.MULTILINE)


def rings_of(claim: str) -> set[Ring]:
    return {ring_of(*test) for test in re.findall(r"`(tests/\S+)::(\w+)`", claim)}


def files() -> list[str]:
    return [str(file.relative_to(ROOT)) for file in sorted((ROOT / "tests").rglob("test_*.py"))]


def test_marks_are_understood():
    assert Ring.QUICK is ring_of("tests/engine/test_runs.py", "test_the_filter_decides_and_not_the_source")
    assert Ring.BOTH is ring_of("tests/crash/test_firing_kills.py", "test_no_slot_is_lost_or_fired_twice")
    assert Ring.BOTH is ring_of(
        "tests/crash/test_random_kills.py", "test_random_kills_lose_nothing_and_count_nothing_twice"
    )
    assert Ring.SLOW is ring_of("tests/crash/test_crash_points.py", "test_items_that_are_tried_again")


def test_a_guarantee_that_the_slow_ring_holds_alone_or_better_says_so():
    assert [] == [claim for claim in claims() if rings_of(claim) - {Ring.QUICK} and "slow ring" not in claim]


def test_a_guarantee_that_names_the_slow_ring_has_tests_there():
    # also under another name beside the one that it names
    def has(claim: str) -> bool:
        texts = [text_of(file) for file, _ in re.findall(r"`(tests/\S+)::(\w+)`", claim)]
        return any("mark.slow" in text or "slow=" in text for text in texts)

    assert [] == [claim for claim in claims() if "slow ring" in claim and not has(claim)]


def test_a_property_is_tried_as_often_as_its_ring_says():
    # but for machines: real time passes in each of their examples
    written = {file: text_of(file) for file in files()}
    own = [file for file, text in written.items() if re.search(r"max_examples=\d+", text)]

    assert [] == [file for file in own if "run_state_machine_as_test" not in written[file]]
    assert own


def test_daemons_are_forked_and_not_imported_anew():
    start = re.compile(r"sys\.executable,\s*\"-m\",\s*(?:\"backfilld\"|\*)")
    found = {file for file in files() if start.search(text_of(file))}

    assert set() == found - LONG_WAY
    assert found
