"""Names that are near."""

import pytest

from backfilld.domain.errors import did_you_mean, nearest


@pytest.mark.parametrize("name", ["statsu", "STATUS_", "statusstatus"])
def test_a_name_that_is_near_is_told(name):
    assert "; did you mean 'status'?" == did_you_mean(name, ["status", "priority"])


@pytest.mark.parametrize(("name", "known"), [("s" * 20_000_000, ["status"]), ("status", []), ("zzz", ["status"])])
def test_nothing_is_near_to_what_is_far_longer_and_that_is_known_at_once(name, known):
    assert () == nearest(name, known)
