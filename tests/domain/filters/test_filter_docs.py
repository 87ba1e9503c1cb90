"""The page on filters says what is true."""

import json
import re
from pathlib import Path

from backfilld.domain.filters import read_filter
from backfilld.domain.filters.operators import SPELLINGS

PAGE = (Path(__file__).parents[3] / "docs" / "filters.md").read_text(encoding="utf-8")


def test_every_spelling_of_an_operator_is_in_the_table() -> None:
    table = PAGE.partition("## Operators")[2].partition("## Yes or no")[0]

    assert [] == [spelling for spelling in SPELLINGS if f"`{spelling}`" not in table]


def test_the_example_can_be_read() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)

    assert [] == read_filter(json.loads(example), "/filter_spec").faults
