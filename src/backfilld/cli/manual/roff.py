"""Text in the language of manual pages (man(7)), so that nothing in it is taken for a request."""

import re

CODE = re.compile(r"`([^`]+)`")


def text(plain: str) -> str:
    """A line as it is."""
    escaped = plain.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def prose(plain: str) -> str:
    """A paragraph on one line, with what stands in backticks in bold."""
    parts = CODE.split(" ".join(plain.split()))
    told = "".join(bold(part) if number % 2 else text(part).removeprefix("\\&") for number, part in enumerate(parts))
    return f"\\&{told}" if told.startswith((".", "'")) else told


def bold(plain: str) -> str:
    return f"\\fB{text(plain)}\\fR"


def italic(plain: str) -> str:
    return f"\\fI{text(plain)}\\fR"


def section(title: str) -> str:
    return f".SH {title}"


def subsection(title: str) -> str:
    """`title` may hold fonts; a blank ends no argument in quotes."""
    return '.SS "' + title.replace('"', "\\(dq") + '"'


def tagged(tag: str, told: str) -> list[str]:
    """A tag, and what is said of it, indented below."""
    return [".TP", tag, told or "\\&"]
