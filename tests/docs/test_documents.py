"""The pages tell the truth: where they name a link, a command, a status, a table or a test, there is one."""

import re
from pathlib import Path

import pytest

from backfilld.app.reloading import NEEDS_RESTART
from backfilld.config import Settings
from backfilld.domain.backfills.holding import ENTRIES
from backfilld.domain.backfills.states import MOVES, ReasonCode, Status
from backfilld.metrics import Metrics

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DESIGN = ROOT / "docs/design.md"
OPERATIONS = ROOT / "docs/operations.md"
GUARANTEES = ROOT / "docs/guarantees.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
LONGEST_README = 200


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Without code, in which brackets mean something else."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def links_of(page: Path) -> list[str]:
    """Targets of its links to other pages, and to headings of its own."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)) if "://" not in link]


def anchors_of(page: Path) -> set[str]:
    """As code hosts make them of headings."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def cells(page: Path, heading: str, column: int = 0) -> list[str]:
    """One column of the first table under a heading, without its head."""
    section = re.split(rf"^#+ {re.escape(heading)}$", text_of(page), maxsplit=1, flags=re.MULTILINE)[1]
    rows = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert rows, f"there is no table under {heading}"

    return [re.split(r"(?<!\\)\|", row)[column + 1].strip() for row in rows[0].splitlines()[2:]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    broken = []
    for link in links_of(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)

    assert [] == broken


def test_every_page_can_be_reached_from_the_readme():
    reached, ahead = set(), [README]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            found = ((page.parent / link.partition("#")[0]).resolve() for link in links_of(page))
            ahead += [other for other in found if other.suffix == ".md" and other.is_file()]

    assert [] == [page.name for page in PAGES if page not in reached]


def test_the_readme_is_short_enough_to_be_read():
    assert len(text_of(README).splitlines()) <= LONGEST_README


def test_the_first_commands_of_the_readme_are_the_two_that_matter():
    commands = re.findall(r"^    (\S.*?)(?: +#.*)?$", text_of(README), re.MULTILINE)

    assert ["make demo", "make test"] == commands[:2]


def test_every_make_target_is_in_the_readme_and_the_other_way_round():
    there_are = set(re.findall(r"^([a-z-]+):.*##", text_of(ROOT / "Makefile"), re.MULTILINE)) - {"help"}
    listed = {re.match(r"`make ([a-z-]+)", cell)[1] for cell in cells(README, "Commands")}
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text_of(README), re.MULTILINE))

    assert there_are == listed
    assert named <= there_are


def words_in(text: str) -> int:
    return len(text.split())


def test_every_status_says_what_to_do():
    assert [f"`{status}`" for status in Status] == cells(OPERATIONS, "Statuses")


@pytest.mark.parametrize("code", ENTRIES, ids=str)
def test_every_reason_stands_there_with_the_sentences_that_people_see(code: ReasonCode):
    """Without the values, and without what is said only if it is known."""
    text = ENTRIES[code].text
    texts = [text] if isinstance(text, str) else list(text.values())
    seen = [re.sub(r"\{[^}]*\}", "…", re.sub(r"\[[^\]]*\]", "", one)) for one in texts]
    row = next(line for line in text_of(OPERATIONS).splitlines() if line.startswith(f"| `{code}` |"))

    assert [] == [sentence for sentence in seen if f"“{sentence}”" not in row]


def test_every_reason_says_what_to_do():
    assert {f"`{code}`" for code in ReasonCode} == set(cells(OPERATIONS, "Why nothing is starting"))


def test_whoever_is_on_call_finds_first_aid_first_and_no_cell_that_takes_longer_than_a_minute():
    lines = text_of(OPERATIONS).splitlines()
    longest = max((cell for line in lines if line.startswith("|") for cell in line.split(" | ")), key=words_in)

    assert "First aid:" in lines[:8]
    assert words_in(longest) <= 150, longest
    assert words_in(text_of(OPERATIONS)) <= 9_000  # what does not concern them has pages of its own


def test_the_moves_are_those_of_the_code():
    written = zip(*(cells(DESIGN, "Statuses and moves", column) for column in range(3)), strict=True)

    assert [(f"`{current}`", f"`{following}`", why) for (current, following), why in MOVES.items()] == list(written)


def test_every_section_of_the_settings_says_when_a_change_takes_effect():
    names = [cell.strip("`[]") for cell in cells(OPERATIONS, "Settings")]
    effects = dict(zip(names, cells(OPERATIONS, "Settings", 2), strict=True))

    assert set(Settings.model_fields) == set(names)
    assert set(NEEDS_RESTART) == {name for name, effect in effects.items() if effect.startswith("at restart")}


def test_every_metric_is_told():
    # those that are asked for at each scrape are joined in `app`
    joined = text_of(ROOT / "src/backfilld/app/metric_parts.py")
    watched = {f"backfilld_{name}" for name in re.findall(r'metrics\.watch\(\s*"(\w+)"', joined)}
    names = {family.name for family in Metrics().registry.collect()} | watched
    told = set(re.findall(r"`((?:backfilld|process)_\w+)", text_of(OPERATIONS)))

    assert set() == names - told
    assert set() == told - names
    assert watched


def test_every_table_is_in_the_design():
    migrations = "".join(text_of(file) for file in sorted((ROOT / "src/backfilld/store/migrations").glob("*.sql")))
    there_are = set(re.findall(r"^CREATE TABLE (\w+)", migrations, re.MULTILINE))
    told = {name for cell in cells(DESIGN, "The database") for name in re.findall(r"`(\w+)`", cell)}

    assert there_are == told


def test_every_file_that_the_design_names_is_there():
    source = ROOT / "src/backfilld"
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|sql))`", text_of(DESIGN)))

    assert [] == sorted(name for name in named if not (source / name).exists() and not (ROOT / name).exists())
    assert named


def test_every_guarantee_names_a_test_that_is_there():
    claims = re.findall(r"^\| (?!claim|---).*$", text_of(GUARANTEES), re.MULTILINE)
    unproven = [claim for claim in claims if not re.search(r"`(tests/\S+\.py)::(\w+)` \|$", claim)]
    tests = re.findall(r"`(tests/\S+)::(\w+)`", text_of(GUARANTEES))
    missing = [
        (file, name)
        for file, name in tests
        if not (ROOT / file).exists() or f"def {name}(" not in text_of(ROOT / file)
    ]  # fmt: skip

    assert [] == unproven
    assert [] == missing
    assert claims
