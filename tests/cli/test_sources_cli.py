"""`backfilld sources`, as far as it is only words."""

from backfilld.cli.entities.sources import _budget


def test_a_budget_says_how_much_is_used_and_until_when_nothing_is_left() -> None:
    assert "-" == _budget(None)
    assert "12 of 5,000" == _budget({"limit": 5000, "used": 12, "until": None})
    assert _budget({"limit": 5000, "used": 5000, "until": "2027-03-14T07:00:00Z"}).startswith("5,000 of 5,000, until ")
    assert "no limit" == _budget({"limit": None, "used": 3, "until": None})
