"""SIGHUP reads the budgets of targets again."""

import pytest
from tests.support.daemon_within import daemon_within
from tests.support.waiting import eventually

from backfilld.app import daemon as daemon_module
from backfilld.app.engine_parts import EngineParts

CRM = '[targets.crm]\norigins = ["https://crm.example"]\nstarts_per_minute = {rate}\n'


async def test_a_reload_puts_other_budgets_in_force(dsn, tmp_path, monkeypatch: pytest.MonkeyPatch):
    made: list[EngineParts] = []
    original = daemon_module.engine_parts

    def remembered(*parts):
        made.append(original(*parts))
        return made[-1]

    monkeypatch.setattr(daemon_module, "engine_parts", remembered)
    text = f'[server]\nport = 0\n[state]\ndirectory = "state"\n[database]\ndsn = "{dsn}"\n'
    async with daemon_within(tmp_path, text + CRM.format(rate=60)) as daemon:
        origin = made[0].targets.health("https://crm.example").origin
        before = origin.budget.terms.starts_per_minute
        (tmp_path / "backfilld.toml").write_text(text + CRM.format(rate=30))
        daemon.reload()
        await eventually(lambda: origin.budget.terms.starts_per_minute == 30)
        (tmp_path / "backfilld.toml").write_text(text)
        daemon.reload()
        await eventually(lambda: origin.budget is None)

    assert 60 == before
