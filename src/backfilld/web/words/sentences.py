"""Sentences for pages: their times can be pointed at, and count on by themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from backfilld.domain.sentences import Sentence
from backfilld.web.words import numbers, times


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence as a template writes it."""

    kind: Literal["text", "strong", "time", "rel"]
    text: str
    at: datetime | None = None
    whole: str = ""


Said = Sequence[Piece]


def text(words: str) -> Piece:
    return Piece("text", words)


def strong(words: str) -> Piece:
    return Piece("strong", words)


def said(sentence: Sentence, zone: tzinfo, now: datetime) -> Said:
    """A sentence of the engine, its first clause strong."""
    return tuple(_pieces(sentence, zone, now))


def _pieces(sentence: Sentence, zone: tzinfo, now: datetime) -> Iterator[Piece]:
    for number, part in enumerate(sentence):
        if isinstance(part, str):
            head, stop, rest = part.partition(". ") if number == 0 else ("", "", part)
            yield strong(head + ".") if stop else text(head)
            yield text(" " + rest if stop else rest)
        elif part.type == "time" and isinstance(part.value, datetime):
            told = f"{times.clock_time(part.value, zone, now)} {times.place(zone)}"
            yield Piece("time", told, part.value, times.whole(part.value, zone))
            if part.value > now:
                yield text(", ")
                yield Piece("rel", times.relative(part.value, now), part.value)
        elif part.type == "count":
            yield strong(numbers.thousands(part.value))
        else:
            yield text("now" if part.value is None else str(part.value))
