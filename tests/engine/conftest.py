"""Leases that are over sooner, for tests that wait for those of the dead."""

import pytest
from tests.support.small_daemon import shorten_leases


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.2 s, of which 0.8 are trusted: as long as a machine that others use may stand still, and no longer."""
    shorten_leases(monkeypatch, times=2.5)
