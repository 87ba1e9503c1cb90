"""docs/install.md as a script: the blocks of its sections, to be followed to the letter."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/install.md"


def blocks() -> dict[str, list[str]]:
    """The shell blocks of every section, by its heading."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        found[heading] = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def steps(*headings: str) -> str:
    """All blocks of these sections, one after the other. KeyError for a section that the page has not."""
    known = blocks()
    return "".join(f"\n: '=== {heading}'\n" + "".join(known[heading]) for heading in headings)


def block(heading: str, number: int = 0) -> str:
    """One block of a section."""
    return blocks()[heading][number]
