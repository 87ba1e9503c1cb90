"""What may be put into the text of a shell, and where.

A value stays one word and never an option, wherever it stands: between quotes it may hold blanks, outside of them not;
where it begins a word, it is not empty and does not begin with `-`. Whatever a shell acts upon is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from backfilld.domain.placeholders import PLACEHOLDER, Unfilled

_WORD = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
_WORDS = re.compile(r"[\w@%+=:,./ -]*", re.ASCII)
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "ksh93", "mksh", "yash", "zsh", "fish", "busybox"})
_TAKES_TEXT = re.compile(r"-[A-Za-z]*c[A-Za-z]*")
# Where one text begins inside another, quotes count anew: what is in quotes there cannot be told from outside.
_NESTED = re.compile(r"`|\$\(|<<")
_ENDS_WORD = frozenset(" \t\n;&|()<>")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a placeholder stands: between quotes, and at the beginning of a word."""

    is_quoted: bool = False
    begins_word: bool = True

    def fit(self, name: str, value: str) -> str:
        """The value, if it is harmless here. Unfilled."""
        fit_anywhere(name, value)
        if not self.is_quoted and not _WORD.fullmatch(value):
            raise _unfit(
                name, f'holds blanks, which would make several words of it; write "${{{name}}}" between quotes'
            )
        if self.begins_word and value.startswith("-"):
            raise _unfit(name, "begins with '-', so that a program would take it for an option")
        if self.begins_word and not self.is_quoted and not value:
            raise _unfit(name, f'is empty, so that its word would be gone; write "${{{name}}}" between quotes')
        return value


ANYWHERE = Spot()  # what fits here fits everywhere


def fit_anywhere(name: str, value: str) -> str:
    """For a value of our own, such as a local time with a blank: a shell does not act upon it. Unfilled."""
    if not _WORDS.fullmatch(value):
        raise _unfit(name, f'holds characters that a shell acts upon; write "${name}" without braces for it')
    return value


def fit_for_argument(name: str, value: str) -> str:
    """For a value at the beginning of an argument, which no shell looks at: it is no option."""
    if value.startswith("-"):
        raise _unfit(name, "begins with '-', so that the program would take it for an option")
    return value


def text_for_shell(argv: Sequence[str]) -> int | None:
    """Which argument is the text of a shell, if one is: `sh -c TEXT`, also behind `env` or `nice`."""
    for number, word in enumerate(argv):
        if PurePosixPath(word).name in _SHELLS:
            for after, option in enumerate(argv[number + 1 :], start=number + 1):
                if _TAKES_TEXT.fullmatch(option) and after + 1 < len(argv):
                    return after + 1
    return None


def spots_in(text: str) -> Iterator[Spot]:
    """The place of each placeholder of a shell's text, in order."""
    if _NESTED.search(text):
        yield from (Spot() for _ in PLACEHOLDER.finditer(text))
        return
    at, quote, word = 0, "", ""
    while at < len(text):
        if (found := PLACEHOLDER.match(text, at)) is not None:
            yield Spot(is_quoted=bool(quote), begins_word=word in ("", "-"))
            at = found.end()
            continue
        character = text[at]
        at += 1
        if character == "\\" and quote != "'":
            word += text[at : at + 1]
            at += 1
        elif character == quote:
            quote = ""
        elif quote:
            word += character
        elif character in "'\"":
            quote = character
        elif character == "#" and not word:  # a comment, whose quotes are none
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            yield from (Spot() for _ in PLACEHOLDER.finditer(text[at:end]))
            at = end
        else:
            word = "" if character in _ENDS_WORD else word + character


def _unfit(name: str, why: str) -> Unfilled:
    return Unfilled("variable_unfit", f"${{{name}}} {why}")
