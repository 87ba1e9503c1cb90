"""Budgets of targets in the file: origins as executors know them, each in one target alone."""

from pathlib import Path

import pytest

from backfilld.app.engine_parts import budgets_of
from backfilld.config import check, load_settings
from backfilld.engine.starting.targets.budget import BudgetTerms

CRM = '[targets.crm]\norigins = ["https://CRM.example:443", "http://crm.example:8080/"]\nstarts_per_minute = 30\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "c.toml"
    file.write_text(text)
    return file


def test_a_target_is_known_by_the_origins_of_its_workflows(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, CRM), {})

    assert [
        BudgetTerms("crm", frozenset({"https://crm.example", "http://crm.example:8080"}), 30, 0.1)
    ] == budgets_of(settings)  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), [
    ('origins = ["https://crm.example/api"]\nstarts_per_minute = 1', "targets.crm.origins[0]: must be an origin"),
    ('origins = ["crm.example"]\nstarts_per_minute = 1', "targets.crm.origins[0]: must be a URL"),
    ("origins = []\nstarts_per_minute = 1", "targets.crm.origins: "),
    ("starts_per_minute = 1", "targets.crm.origins: "),
    ('origins = ["https://a"]', "targets.crm.starts_per_minute: "),
    ('origins = ["https://a"]\nstarts_per_minute = 0', "targets.crm.starts_per_minute: "),
    ('origins = ["https://a"]\nstarts_per_minute = inf', "targets.crm.starts_per_minute: "),
    ('origins = ["https://a"]\nstarts_per_minute = 1\nreserve_for_live = 1.0', "targets.crm.reserve_for_live: "),
    ('origins = ["https://a"]\nstarts_per_minut = 1', "targets.crm.starts_per_minut: "),
    ('origins = ["https://b"]\nstarts_per_minute = 1\n[targets.other]\norigins = ["https://B:443"]\n'
     "starts_per_minute = 2", "https://b is an origin of the target 'crm' already"),
])  # fmt: skip
def test_what_is_no_budget_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    faults = check(written(tmp_path, f"[targets.crm]\n{text}\n"), {})

    assert any(fault in line for line in faults), faults
