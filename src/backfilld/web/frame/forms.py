"""What a browser's form sends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from backfilld.api.framework.reading import request_body
from backfilld.domain.errors import Unreadable

FORM = "application/x-www-form-urlencoded"
ACCEPTED: Mapping[str, Mapping[str, Any]] = {FORM: {"type": "object"}}
MOST_BYTES = 4 * 1024 * 1024  # a list of ids that somebody pasted
MOST_FIELDS = 5_000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields, in their order; a name may come several times."""

    fields: Sequence[tuple[str, str]] = ()

    def get(self, name: str) -> str:
        """The first value of that name, without white space around it; "" if there is none."""
        return next((value.strip() for known, value in self.fields if known == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of that name."""
        return [value for known, value in self.fields if known == name]


NO_FORM = Form()


async def read_form(request: web.Request) -> Form:
    """The body of a POST. Unreadable, TooLarge."""
    raw = await request_body.read_body(request, MOST_BYTES)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise Unreadable("this is no form that a browser sends") from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise Unreadable("a form holds no NUL")
    return Form([(name, value.replace("\r\n", "\n")) for name, value in pairs])
