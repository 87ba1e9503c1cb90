"""Takes secrets out of what strangers say: a target may echo in an error, a result or a log what we sent.

It may write them in another way than we did: escaped as in JSON, a URL or HTML, any number of times over. So this comes
after every clean-up, since what is cleaned away may have stood in the middle of a secret, and before every cut, since
half of a secret is found no more.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from html.entities import codepoint2name
from typing import Any

import orjson

from backfilld.domain.texts import without_controls

HIDDEN = "[secret]"  # never longer than what it hides: a shorter "secret" stands in too many innocent words
_WRITTEN_DIFFERENTLY = re.compile("[\\\\%&\ufffd]")
_BLANKS = re.compile(r"\s+")
_LONGER_WHEN_ESCAPED = 6  # \u0041
_MOST_ESCAPED = 8  # backslashes before a character that was escaped three times over
_LAST_ASCII = 0x7F
_PARTS = re.compile(r"\\+|[^\\]", re.DOTALL)


class Hiding:
    """Takes the values of some secrets out of texts."""

    def __init__(self, confidential: Iterable[str] = ()) -> None:
        values = tuple(dict.fromkeys(value for value in confidential if len(value) >= len(HIDDEN)))
        spelt = [form for value in values for form in (value, without_controls(value), _BLANKS.sub(" ", value.strip()))]
        self._values = values
        self._literal = tuple(sorted(dict.fromkeys(f for f in spelt if len(f) >= len(HIDDEN)), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for value in self._literal:
            if value in text:
                text = text.replace(value, HIDDEN)
        if self._values and _WRITTEN_DIFFERENTLY.search(text):
            for value in self._values:
                text = _any_spelling(value).sub(HIDDEN, text)
        return text

    @property
    def reach(self) -> int:
        """So many characters beside a place where something was cut off may be a part of a secret."""
        return max((len(value) for value in self._literal), default=0) * _LONGER_WHEN_ESCAPED

    def in_document(self, value: Any) -> Any:
        """A copy of JSON data without them, in keys, texts and numbers."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(key): self.in_document(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.in_document(inner) for inner in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = orjson.dumps(value).decode()
            return HIDDEN if self(text) != text else value
        return value

    def in_json(self, text: str | None, written: Callable[[Any], str | None]) -> str | None:
        """JSON text without them; `written` is how data becomes text again."""
        if text is None or not self._literal or self(text) == text:
            return text
        text = written(self.in_document(orjson.loads(text)))
        if text is not None and self(text) != text:
            return f'"{HIDDEN}"'  # the structure itself is the secret
        return text

    def without_end(self, text: str) -> str:
        """`text`, behind which something was cut off, without what may be the beginning of a secret."""
        return text[: len(text) - self.reach] if self.reach else text

    def without_beginning(self, text: str) -> str:
        """`text`, before which something was cut off, without what may be the end of a secret."""
        return text[self.reach :]


NOTHING_HIDDEN = Hiding()


@lru_cache(maxsize=64)
def _any_spelling(value: str) -> re.Pattern[str]:
    """Matches a text in which each character may be escaped as in JSON, URLs or HTML, once or more often.

    Every repetition is bounded: the text is a stranger's, and may be made of nothing but backslashes.
    """
    return re.compile("".join(_spelling(part) for part in _PARTS.findall(value)))


def _spelling(part: str) -> str:
    if part[0] == "\\":
        once = "|".join(_escaped("\\"))
        return rf"(?:\\{{{len(part)},{len(part) * _MOST_ESCAPED}}}|(?:{once}){{{len(part)}}})"
    found = _escaped(part)
    if part.isspace():
        found += [rf"\s{{1,{_MOST_ESCAPED}}}", r"\+", rf"\\{{1,{_MOST_ESCAPED}}}[tfv]"]
    elif part in "\"'/":
        found.append(rf"\\{{0,{_MOST_ESCAPED}}}{part}")
    else:
        found += [re.escape(part), *(["\ufffd{1,4}"] if ord(part) > _LAST_ASCII else [])]
    return f"(?:{'|'.join(found)})"


def _escaped(character: str) -> list[str]:
    code = ord(character)
    units = character.encode("utf-16-be", "surrogatepass").hex()
    names = {39: ["apos"]}.get(code) or ([codepoint2name[code]] if code in codepoint2name else [])
    return [
        "".join(rf"\\{{1,{_MOST_ESCAPED}}}u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)),
        "".join(rf"%(?:25){{0,4}}(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass")),
        rf"&(?:amp;){{0,4}}#0{{0,8}}{code};",
        rf"&(?:amp;){{0,4}}#(?i:x)0{{0,8}}(?i:{code:x});",
        *(rf"&(?:amp;){{0,4}}{name};" for name in names),
    ]
