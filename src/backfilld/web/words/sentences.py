"""Sentences for pages: their times can be pointed at, and count on by themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from backfilld.domain.sentences import RELATIVE, Part, Sentence, plain
from backfilld.web.words import numbers, times


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence as a template writes it."""

    kind: Literal["text", "strong", "time", "rel"]
    text: str
    at: datetime | None = None
    whole: str = ""


Said = Sequence[Piece]


def said(sentence: Sentence, zone: tzinfo, now: datetime) -> Said:
    """A sentence of the engine; where it begins with a whole sentence of its own, that is strong."""
    return tuple(_pieces(sentence, zone, now))


def _pieces(sentence: Sentence, zone: tzinfo, now: datetime) -> Iterator[Piece]:
    for number, part in enumerate(sentence):
        if isinstance(part, Part):
            yield _piece(part, zone, now)
            continue
        head, stop, rest = part.partition(". ") if number == 0 else ("", "", part)
        if stop:
            yield Piece("strong", head + ".")
        yield Piece("text", (" " if stop else head) + rest)


def _piece(part: Part, zone: tzinfo, now: datetime) -> Piece:
    value = part.value
    if part.type in RELATIVE and isinstance(value, datetime):
        return Piece("rel", plain((part,), zone, now), value)
    if part.type == "time" and isinstance(value, datetime):
        told = f"{times.clock_time(value, zone, now)} {times.place(zone)}"
        return Piece("time", told, value, times.whole(value, zone))
    if part.type == "count":
        return Piece("strong", numbers.thousands(value))
    return Piece("text", plain((part,), zone, now))
