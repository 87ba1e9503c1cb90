"""The unit in the repository: what it promises to whoever installs it."""

import pytest
from tests.systemd.unit_files import EMBEDDED, PACKAGED, ROOT, UNIT, last, parsed

from backfilld.cli.output.exit_codes import CANNOT_WORK, USAGE
from backfilld.config import Settings, load_settings

GRACE_SECONDS = Settings().engine.shutdown_grace_seconds
STOPS_DATABASE_SECONDS = 60


def text(name: str) -> str:
    return (ROOT / "systemd" / name).read_text(encoding="utf-8")


@pytest.fixture
def unit():
    return parsed(text(UNIT))


@pytest.fixture
def embedded():
    return parsed(text(UNIT), text(EMBEDDED))


@pytest.mark.parametrize(("name", "packaged"), [(UNIT, "backfilld.service"), (EMBEDDED, "embedded.conf")])
def test_the_package_holds_the_same(name, packaged):
    assert (PACKAGED / packaged).read_text(encoding="utf-8") == text(name)


def test_systemd_is_told_when_it_is_ready_and_notices_when_it_hangs(unit):
    assert ["notify"] == unit["Type"]
    assert ["main"] == unit["NotifyAccess"]
    assert 0 < float(last(unit, "WatchdogSec"))
    assert ["infinity"] == unit["TimeoutStartSec"]


def test_what_is_in_flight_gets_its_grace_before_systemd_loses_patience(unit, embedded):
    assert GRACE_SECONDS < float(last(unit, "TimeoutStopSec"))
    assert GRACE_SECONDS + STOPS_DATABASE_SECONDS < float(last(embedded, "TimeoutStopSec"))
    assert ["mixed"] == unit["KillMode"]
    assert "KillSignal" not in unit  # SIGTERM


def test_reload_is_what_the_daemon_understands(unit):
    check, tell = unit["ExecReload"]

    assert "+" + last(unit, "ExecStart").replace(" serve ", " config check ") == check  # a fault fails the reload
    assert '/bin/sh -c "kill -HUP $MAINPID"' == tell


def environment(unit) -> dict[str, str]:
    return dict(value.split("=", 1) for value in unit["Environment"])


def test_without_a_dsn_it_refuses_to_start(unit, tmp_path):
    with pytest.raises(Exception, match="there is no DSN"):
        load_settings(None, environment(unit) | {"STATE_DIRECTORY": str(tmp_path)})


def test_the_dsn_is_a_credential(unit, tmp_path):
    name, _, _ = last(unit, "LoadCredential").partition(":")
    (tmp_path / name).write_text("postgresql://u@h/d\n")
    settings = load_settings(None, environment(unit) | {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert "postgresql://u@h/d" == settings.database.read_dsn()


def test_the_drop_in_makes_the_database_embedded_and_asks_for_no_dsn(embedded, tmp_path):
    settings = load_settings(None, environment(embedded) | {"STATE_DIRECTORY": str(tmp_path)})

    assert [] == embedded["LoadCredential"]
    assert settings.database.is_embedded
    assert tmp_path / "postgres" == settings.state.postgres


def test_the_drop_in_opens_the_sandbox_by_nothing_but_one_call():
    assert {"Environment", "LoadCredential", "TimeoutStopSec", "SystemCallFilter"} == parsed(text(EMBEDDED)).keys()
    assert ["capset"] == parsed(text(EMBEDDED))["SystemCallFilter"]


def test_it_is_started_again_whatever_happens_except_for_a_faulty_configuration(unit):
    assert ["on-failure"] == unit["Restart"]
    assert ["0"] == unit["StartLimitIntervalSec"]
    assert [f"{USAGE} {CANNOT_WORK} CREDENTIALS"] == unit["RestartPreventExitStatus"]
