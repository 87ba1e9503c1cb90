"""Secrets that somebody else writes anew are read again, and nothing else is."""

from pathlib import Path

import pytest

from backfilld.app.engines.rereading import SecretRereader
from backfilld.config import Settings, load_settings
from backfilld.config.loading import check
from backfilld.executors.secrets import SecretStore

TEXT = """
[secrets.token]
file = "token"
prefix = "Bearer "
reread = true
[secrets.other]
file = "other"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("token", "other"):
        (tmp_path / name).write_text("first\n")
    (tmp_path / "backfilld.toml").write_text(TEXT)
    return load_settings(tmp_path / "backfilld.toml", {})


async def test_a_token_that_was_renewed_is_in_force_without_a_reload(settings: Settings, tmp_path: Path) -> None:
    secrets = SecretStore(settings.read_secrets())
    rereading = SecretRereader(secrets)
    rereading.put(settings, settings.read_secrets())
    before, version = secrets.get("token").present, secrets.version
    await rereading.wake()
    unchanged = secrets.version
    for name in ("token", "other"):
        (tmp_path / name).write_text("second\n")
    await rereading.wake()
    after = secrets.get("token").present, secrets.get("other").present
    (tmp_path / "token").unlink()
    await rereading.wake()

    assert ("Bearer first", version) == (before, unchanged)
    assert ("Bearer second", "first") == after
    assert "Bearer second" == secrets.get("token").present


def test_only_a_file_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "backfilld.toml").touch(mode=0o600)
    (tmp_path / "backfilld.toml").write_text('[secrets.x]\nvalue = "secret"\nreread = true\n')

    assert "`reread` goes with `file`" in "".join(check(tmp_path / "backfilld.toml", {}))
