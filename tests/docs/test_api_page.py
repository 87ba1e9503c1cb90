"""docs/api.md says where the metrics are told, and does not tell them again."""

from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_metrics_are_told_in_one_place() -> None:
    assert "(operations.md#metrics)" in PAGE
    assert "`backfilld_" not in PAGE
