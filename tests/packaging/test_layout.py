"""The house stays easy to walk through: rooms, files and functions of a bounded size."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/backfilld"
MOST_MODULES_SIDE_BY_SIDE = 15
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 50
DEFINITION = re.compile(r"( *)(?:async def|def|class) ")
FILES = sorted(SOURCE.rglob("*.py"))


def has_room(text: str) -> bool:
    """Whether a function may be too long: from its line to the next definition that is not inside of it."""
    lines = text.splitlines()
    begins = [(number, len(found[1])) for number, line in enumerate(lines) if (found := DEFINITION.match(line))]
    for place, (number, depth) in enumerate(begins):
        end = next((other for other, level in begins[place + 1 :] if level <= depth), len(lines))
        if end - number > MOST_LINES_OF_A_FUNCTION:
            return True
    return False


def functions_of(file: Path) -> list[tuple[str, int]]:
    """The name of each function, and how many lines it has; none of a file without room for one that is too long."""
    text = file.read_text()
    nodes = ast.walk(ast.parse(text)) if has_room(text) else ()
    found = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in found]


def test_no_room_holds_more_modules_than_one_can_see_at_once():
    rooms = {file.parent for file in FILES}
    crowded = {
        str(room.relative_to(SOURCE)): n
        for room in rooms
        if (n := len(list(room.glob("*.py")))) > MOST_MODULES_SIDE_BY_SIDE
    }

    assert {} == crowded


def test_no_file_is_longer_than_one_can_read_at_once():
    long = {
        str(file.relative_to(SOURCE)): n
        for file in FILES
        if (n := len(file.read_text().splitlines())) > MOST_LINES_OF_A_FILE
    }

    assert {} == long


def test_no_function_is_longer_than_a_page():
    long = [
        (str(file.relative_to(SOURCE)), *each)
        for file in FILES
        for each in functions_of(file)
        if each[1] > MOST_LINES_OF_A_FUNCTION
    ]

    assert [] == long


def test_no_file_speaks_of_pages_that_did_not_come_along():
    """A section of a page is named by its heading, of a page of docs/: nobody can look up another."""
    told = {str(file.relative_to(SOURCE)) for file in FILES if re.search(r"[A-Z]{3,}(\.md)? ?§", file.read_text())}

    assert set() == told
