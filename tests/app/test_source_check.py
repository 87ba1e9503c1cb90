"""A configuration that is held against the systems that it names."""

from pathlib import Path

import pytest
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.http_types import SECRET, text_of

from backfilld.app.sources.check import source_faults
from backfilld.config import load_settings


@pytest.mark.parametrize(
    ("status", "expected"),
    [(None, []), (401, ['entity_types.ticket: crm: GET /me answers 401: {"error": "no"}'])],
)
async def test_each_type_is_asked_for(tmp_path: Path, status: int | None, expected: list[str]) -> None:
    async with serving(GenericApi([{"id": 1}])) as api:
        file = tmp_path / "backfilld.toml"
        file.write_text(text_of(api.url))
        file.chmod(0o600)
        if status is not None:
            api.reply(status, {"error": "no"})
        found = await source_faults(load_settings(file, {}))

    assert expected == found
    assert SECRET not in str(found)
