"""Bodies and queries of the digdag dialect: what is not known there is ignored, and said so.

Both real servers ignore unknown keys, and their clients send some. Silence would hide a misspelt key, so the answer
names what was ignored in a header; and a key that is nearly one of ours is refused with the one that was meant.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from backfilld.api.framework.reading.fields import LARGEST_ID, FaultsFound
from backfilld.domain.errors import Fault, pointer

IGNORED_HEADER = "X-Backfilld-Ignored"
_NEAR = 0.85  # of `advanceSchedul` and `advanceSchedule`, not of `poolId` and `params`
_MOST_NAMED = 20
_SHOWABLE = re.compile(r"[A-Za-z0-9_.\-]{1,60}")
PAGE_SIZE = 100
LARGEST_PAGE = 10_000


class LenientBody(BaseModel):
    """A body of the dialect: strict types, camelCase, unknown keys left alone."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, allow_inf_nan=False, alias_generator=to_camel, defer_build=True
    )


class LenientQuery(BaseModel):
    """Query parameters of the dialect; unknown ones are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class AnyQuery(LenientQuery):
    """The query of a route that takes none: whatever is there is left alone."""


class LastId(LenientQuery):
    """A page behind an id."""

    last_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="the id of the last one seen; exclusive")
    page_size: int = Field(PAGE_SIZE, ge=1, le=LARGEST_PAGE, description="how many to answer with")


@dataclass(frozen=True, slots=True)
class Overlooked:
    """Keys that a model does not know: those that are ignored, and faults for those that nearly are known."""

    ignored: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def overlooked(model: type[BaseModel], names: Iterable[str], prefix: str = "") -> Overlooked:
    """What of `names` the model does not know. Nothing, for a model that refuses such names itself."""
    if model.model_config.get("extra") != "ignore":
        return Overlooked()
    known = [field.alias or name for name, field in model.model_fields.items()]
    ignored, faults = [], []
    for name in names:
        if name in known:
            continue
        near = _near(name, known)
        if near is None:
            ignored.append(name)
        else:
            message = f"{name[:100]!r} is not known here; did you mean {near!r}?"
            faults.append(Fault(prefix + pointer(name), "unknown_field", message, (near,)))
    return Overlooked(tuple(ignored), tuple(faults))


def header_value(ignored: Iterable[str]) -> str:
    """Names as a header can hold them."""
    shown = [name if _SHOWABLE.fullmatch(name) else "?" for name in ignored]
    return ", ".join(shown[:_MOST_NAMED]) + (", ..." if len(shown) > _MOST_NAMED else "")


def _near(name: str, known: list[str]) -> str | None:
    plain = {_plain(candidate): candidate for candidate in known}
    found = get_close_matches(_plain(name), plain, n=1, cutoff=_NEAR)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _id(value: Any) -> Any:
    """Ids are texts in answers, and come back as texts or as numbers."""
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and 0 < int(value[:20]) <= LARGEST_ID:
            return int(value)
        raise FaultsFound([Fault("", "invalid_id", f"must be an id, not {value[:60]!r}")])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


AnyId = Annotated[int, Field(ge=1, le=LARGEST_ID), BeforeValidator(_id)]


def _truth(value: Any) -> Any:
    """`true`, `True` and `TRUE` are the same in a query; one client writes them like that."""
    return value.lower() if isinstance(value, str) else value


Truth = Annotated[bool, BeforeValidator(_truth)]
