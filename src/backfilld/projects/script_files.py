"""Files of a project that a script names. Scripts run in the daemon's folder, where those files are not."""

import re
from collections.abc import Collection
from fnmatch import translate

_VARIABLE = re.compile(r"\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*")
_MOST_PATTERNS = 20
_WORDS = re.compile(r"[^\s;|&<>()'\"=`,]+")


def files_named(script: str, files: Collection[str]) -> list[str]:
    """Those of `files` (paths in the project) that a word of the script is the path of, in their order."""
    words = {word.removeprefix("./") for word in _WORDS.findall(_VARIABLE.sub("*", script)) if _is_path(word)}
    patterns = [translate(word) for word in words if "*" in word or "?" in word]
    matches = re.compile("|".join(patterns[:_MOST_PATTERNS]) or "(?!)").match
    return [file for file in files if file in words or matches(file)]


def _is_path(word: str) -> bool:
    """A plain word is more often a word than a file; and where a path begins with a variable, nobody can tell."""
    return ("/" in word or "." in word) and not word.startswith(("*", "/", "-"))
