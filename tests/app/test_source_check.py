"""A configuration that is held against the systems that it names."""

from pathlib import Path

import pytest
from tests.fake_psa.generic import GenericApi
from tests.fake_psa.serving import serving
from tests.support.http_types import SECRET, text_of

from backfilld.app.sources.check import Checked, check_sources
from backfilld.config import load_settings


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Checked("ticket", None, 1, 3)),
        (
            401,
            Checked(
                "ticket",
                'crm: GET /me answers 401: {"error": "no"}; the credentials are refused: mend secrets.crm, then SIGHUP',
                None,
                1,
            ),
        ),
    ],
)
async def test_each_type_is_asked_for(tmp_path: Path, status: int | None, expected: Checked) -> None:
    async with serving(GenericApi([{"id": 1}])) as api:
        file = tmp_path / "backfilld.toml"
        file.write_text(text_of(api.url))
        file.chmod(0o600)
        if status is not None:
            api.reply(status, {"error": "no"})
        found = await check_sources(load_settings(file, {}))

    assert [expected] == found
    assert SECRET not in str(found)
