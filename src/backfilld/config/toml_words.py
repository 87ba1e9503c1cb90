"""What keeps a file from being TOML, in the words of whoever wrote it.

The parser says where it stopped. What was meant is mostly plain from the line; no word of a value is repeated, which
may be a secret.
"""

import re
import tomllib

_KEY = r"[\w.\-\"']+"
_BARE = r"[^\s\"'\[{\d+\-#]"


def syntax_fault(text: str, problem: tomllib.TOMLDecodeError) -> tuple[int, str]:
    """The line, counted from 1, and what is wrong with it."""
    lines = text.replace("\r\n", "\n").split("\n")
    told = str(problem)
    place = re.search(r"\(at line (\d+), column \d+\)", told)
    number = min(int(place[1]), len(lines)) if place else _last(lines)
    why = re.sub(r" \(at [^)]*\)$", "", told)
    return number, _words(lines, number, why) or f"is not TOML: {why}"


def _last(lines: list[str]) -> int:
    return next((number for number in range(len(lines), 0, -1) if lines[number - 1].strip()), 1)


def _words(lines: list[str], number: int, why: str) -> str:
    line = lines[number - 1].strip()
    if lines[0].lstrip().startswith(("{", "---", "<")):
        return "is not TOML but JSON, YAML or XML; config.example.toml shows what it looks like"
    if twice := re.search(r"Cannot (declare|overwrite|mutate)", why):
        return _twice(lines, number, line) if twice[1] != "mutate" else "is written inline and as a heading; do one"
    if re.match(r"(;|//|--|/\*)", line):
        return "a comment begins with #"
    if line.startswith("["):
        return "a heading is [section], or [[workflows]] for each workflow, alone on its line"
    if (given := re.match(rf"({_KEY})\s*=\s*(.*)$", line)) is not None:
        return _value_words(given[1], given[2], why)
    if (given := re.match(rf"({_KEY})\s*(:|\s)\s*\S", line)) is not None:
        return f"a key and its value are joined by =, as in `{given[1]} = …`"
    return ""


def _twice(lines: list[str], number: int, line: str) -> str:
    """A heading or a key that was there before, and where."""
    same = re.escape(line if line.startswith("[") else line.split("=")[0].strip())
    begins = re.compile(rf"\s*{same}\s*(#.*|=.*)?$")
    before = [at for at, other in enumerate(lines[: number - 1], start=1) if begins.match(other)]
    where = f", before on line {before[-1]}" if before else ""
    if line.startswith("["):
        return f"{line} stands twice{where}: put all its keys below one"
    return f"{line.split('=')[0].strip()} stands twice{where}"


def _value_words(key: str, value: str, why: str) -> str:
    if not value or value.startswith("#"):
        return f"there is no value behind `{key} =`"
    if value[0] in "“”„‘’«":  # those that word processors make
        return "these quotation marks are a word processor's; TOML wants \" or '"
    if value[0] == '"' and "\\" in value:
        return f"a backslash between double quotation marks is an escape: write {key} = '…'"
    if value[0] in "\"'" and ("nterminated" in why or "Expected" in why or "Illegal" in why):
        return "the quotation mark is not closed by the same one on this line"
    if value[0] == "{":
        return "{ … } stands on one line; for more of them, a heading of its own"
    if value.split("#")[0].strip().lower() in ("true", "false", "yes", "no", "on", "off"):
        return "write true or false, in small letters"
    if value.split("#")[0].strip().lower() in ("null", "none", "nil"):
        return "TOML has no such value: leave the line out"
    if re.match(_BARE, value):
        return f'text stands between quotation marks: {key} = "…"'
    return _number_words(value)


def _number_words(value: str) -> str:
    if re.match(r"[+-]?0\d", value):
        return "a number has no zero in front"
    if re.match(r"[+-]?\d[\d.]*,\d", value):
        return "a number has no comma; 1_000 is a thousand, 0.5 a half"
    if re.match(r"[+-]?\d[\d._]*\s*[A-Za-z%]", value):
        return "a number has no unit (config.example.toml says which is meant); text stands between quotation marks"
    return ""
