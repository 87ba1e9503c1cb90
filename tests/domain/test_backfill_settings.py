"""What somebody may choose about a backfill, and what of it a rerun keeps."""

from dataclasses import fields

import pytest
from tests.support.settings import NOT_KEPT_BY_A_RERUN, ORDINARY, UNUSUAL

from backfilld.domain.backfill_settings import BackfillSettings

NAMES = [field.name for field in fields(BackfillSettings)]


@pytest.mark.parametrize("name", NAMES)
def test_the_unusual_backfill_of_the_tests_is_unusual_in_everything(name: str) -> None:
    assert getattr(ORDINARY, name) != getattr(UNUSUAL, name)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_KEPT_BY_A_RERUN])
def test_a_rerun_keeps_every_setting_that_does_not_choose_its_items(name: str) -> None:
    assert getattr(UNUSUAL, name) == getattr(UNUSUAL.for_rerun(name="other", reason="again"), name)


def test_a_rerun_starts_at_once_and_runs_whatever_was_chosen() -> None:
    child = UNUSUAL.for_rerun(name="other", reason="again")

    assert ("now", None, "completed", "other", "again", None) == (
        child.start, child.sample_size, child.reprocess_behavior, child.name, child.reason, child.total_estimated,
    )  # fmt: skip
