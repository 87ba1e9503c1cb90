"""How values of the API are written for people."""

import pytest

from backfilld.cli.output.printing import local


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_an_instant_that_no_clock_here_can_show_is_printed(text: str) -> None:
    assert local(text)


def test_what_is_no_instant_is_printed_as_it_came() -> None:
    assert (None, "soon") == (local(None), local("soon"))
