"""Attributes that nobody has read yet: JSON text, which most targets are handed as it came."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import orjson

from backfilld.domain.records import plain_record

# 1e300 is written out by the database, and has to reach nobody with 300 digits. A number of 21 digits has more of them
# than 64 bits or a double can tell, so some in a row are zeros.
_LONG_NUMBER = b"0" * 21
_ZEROS = "0000"
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")


class AttributesText(Mapping[str, Any]):
    """A JSON object as text; parsed when somebody looks inside, and then each time: few do, and none twice."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"AttributesText({self.text!r})"

    def __getitem__(self, name: str) -> Any:
        return self.parsed()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parsed())

    def __len__(self) -> int:
        return len(self.parsed())

    def parsed(self) -> dict[str, Any]:
        """What the text says. JSONDecodeError."""
        found: dict[str, Any] = orjson.loads(self.text)
        return found

    def as_json(self) -> bytes:
        """The object as JSON, for whoever hands it on."""
        text = self.text.encode()
        if _ZEROS in self.text and _LONG_NUMBER in text.translate(_DIGITS_AS_ZEROS):
            return orjson.dumps(self.parsed())
        return text


class Content(Protocol):
    """What a target is told of an entity."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """As JSON gave them, or as its text."""

    @property
    def as_of(self) -> datetime | None:
        """How fresh they are."""


@plain_record
class Unparsed:
    """The content of an entity into which nobody has looked."""

    attributes: AttributesText
    as_of: datetime | None
