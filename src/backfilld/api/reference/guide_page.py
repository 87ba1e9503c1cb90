"""The guide: the pages of `docs/`, as they came with this version, drawn for people.

No script and nothing from outside; each page is whole, so that the browser's own search finds what is on it.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from backfilld import __version__

if TYPE_CHECKING:
    from markdown_it.token import Token

_TEMPLATES = files("backfilld.api.reference") / "templates"
STYLE = (_TEMPLATES / "guide.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HOME = "readme"
_OUTSIDE = ("http://", "https://", "mailto:")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a page, and where it is."""

    anchor: str
    text: str


class Guide:
    """All pages, by the name in their address: `operations` for `operations.md`."""

    def __init__(self, sources: Mapping[str, Path]) -> None:
        self._sources = sources

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every page, in the order in which the table at the end of the first one names them."""
        told = re.findall(r"^\| \[.*?\]\((?:docs/)?([\w.-]+)\.(?:md|toml)\)", self._text(HOME), re.MULTILINE)
        known = [name for name in dict.fromkeys(map(str.lower, told)) if name in self._sources]
        return (HOME, *known, *sorted(self._sources.keys() - {HOME, *known}))

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def _text(self, name: str) -> str:
        return self._sources[name].read_text(encoding="utf-8")

    def page(self, name: str) -> str:
        """A whole page. The first one is `/docs/guide`, all others are below it."""
        from jinja2 import Environment, StrictUndefined  # here, so that a daemon is up before they are loaded
        from markdown_it import MarkdownIt

        beside = "guide/" if name == HOME else ""
        text = self._text(name)
        if self._sources[name].suffix != ".md":
            text = f"# {self._sources[name].name}\n```\n{text}\n```\n"
        reader = MarkdownIt("commonmark", {"html": False}).enable("table")
        tokens = reader.parse(text)
        headings = _with_anchors(tokens)
        for token in tokens:
            token.children = self._with_links(token.children or [], beside)
        drawn = _scrolling(reader.renderer.render(tokens, reader.options, {}))
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        template = environment.from_string((_TEMPLATES / "guide.html").read_text(encoding="utf-8"))
        return template.render(
            title=headings[0][1].text if headings else name,
            style=STYLE,
            content=drawn,
            headings=[heading for level, heading in headings if level == "h2"],
            pages=[(self._link(other, beside), _label(other), other == name) for other in self.names],
            reference="../../docs" if beside == "" else "../docs",
            version=__version__,
        )

    def _with_links(self, tokens: Sequence["Token"], beside: str) -> list["Token"]:
        """The same with links to other pages leading there, and none to what did not come along."""
        found: list[Token] = []
        open_ = 0
        for token in tokens:
            if token.type == "link_open":
                target = self._target(str(token.attrs["href"]), beside)
                if target is None:
                    open_ += 1
                    continue
                token.attrs["href"] = target
            elif token.type == "link_close" and open_:
                open_ -= 1
                continue
            elif token.type == "image":
                token.type, token.tag, token.content = "text", "", token.content
            found.append(token)
        return found

    def _target(self, link: str, beside: str) -> str | None:
        if link.startswith(("#", *_OUTSIDE)):
            return link
        path, _, anchor = link.partition("#")
        name = Path(path).stem.lower()
        if name not in self._sources or self._sources[name].name != Path(path).name:
            return None
        return self._link(name, beside) + (f"#{anchor}" if anchor else "")

    def _link(self, name: str, beside: str) -> str:
        """Relative, so that it leads there below any address."""
        if name == HOME:
            return "guide" if beside else "../guide"
        return beside + name


def _with_anchors(tokens: Sequence["Token"]) -> list[tuple[str, Heading]]:
    """Every heading, which now has the id that code hosts give it."""
    found = []
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inside.children or ())
            anchor = re.sub(r"[^\w\- ]", "", inside.content.lower()).replace(" ", "-")
            token.attrs["id"] = anchor
            found.append((token.tag, Heading(anchor, text)))
    return found


def _scrolling(html: str) -> str:
    """Wide tables scroll by themselves, with the keyboard too."""
    opened = html.replace("<table>", '<div class="wide" tabindex="0"><table>')
    return opened.replace("</table>", "</table></div>")


def _label(name: str) -> str:
    return "Start" if name == HOME else name


@cache
def guide() -> Guide:
    """The pages that came with this installation: in the wheel, or beside the sources."""
    inside = Path(str(files("backfilld"))) / "guide"
    found = [*inside.iterdir()] if inside.is_dir() else _beside_the_sources()
    return Guide({file.stem.lower(): file for file in found})


def _beside_the_sources() -> list[Path]:
    root = Path(__file__).parents[4]
    named = [root / "README.md", root / "CHANGELOG.md", root / "config.example.toml"]
    return [file for file in (*named, *(root / "docs").glob("*.md")) if file.is_file()]
