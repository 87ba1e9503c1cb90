"""Parts of a page that are sent anew when they have changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_COUNTS_ON = re.compile(r"(<time [^>]*data-rel>)[^<]*")  # browsers do that by themselves


@dataclass(frozen=True, slots=True)
class Region:
    """An element with that id. `inside`: the id of one that holds it, with which it need not be sent as well.

    `same` is what is compared, where that is not the HTML: of a list which rows it has, but not what they say.
    """

    id: str
    html: str
    inside: str = ""
    same: str = ""

    @property
    def state(self) -> str:
        return self.same or _COUNTS_ON.sub(r"\1", self.html)


@dataclass(frozen=True, slots=True)
class Picture:
    """All regions of a page at one moment. `is_last`: nothing will change any more."""

    regions: Sequence[Region]
    is_last: bool = False


def message(regions: Sequence[Region]) -> bytes:
    """What a browser is sent to have these in the place of those that it has."""
    sent = {one.id for one in regions}
    html = "".join(
        f'<hx-partial hx-target="#{one.id}" hx-swap="outerMorph">{one.html}</hx-partial>'
        for one in regions
        if one.inside not in sent
    )
    lines = html.replace("\r", "").split("\n")
    return b"".join(b"data: %s\n" % line.encode() for line in lines if line.strip()) + b"\n"
