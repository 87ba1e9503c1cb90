"""What a daemon does without at its start: it is back sooner after a kill, and has less to look through."""

import json
import os
import subprocess
import sys

from tests.support.daemon import Plan

from backfilld.cli.demo.folder import clean_environment
from backfilld.cli.lean_start import NEW_OBJECTS

# Ends where the daemon begins to import what answers people.
SERVE = """
import gc, json, os, sys

def heard(event, arguments):
    if event == "import" and arguments[0].startswith("backfilld.app.routes"):
        loaded = [name for name, module in sys.modules.items() if module]
        import rich
        frozen = [gc.get_freeze_count() > 50_000, gc.isenabled(), gc.get_threshold()[0]]
        print(json.dumps([loaded, rich.__name__, frozen]), flush=True)
        os._exit(0)

sys.addaudithook(heard)
from backfilld.cli.main import cli
cli(["serve", "--config", sys.argv[1]])
"""
NOT_BEFORE_READY = (
    "rich", "pygments", "jinja2", "markupsafe", "jwt", "cryptography", "temporalio",
    "backfilld.web", "backfilld.api.public", "backfilld.api.digdag", "backfilld.api.reference", "backfilld.app.routes",
    "backfilld.operations.backfills", "backfilld.operations.sessions", "backfilld.client",
)  # fmt: skip


def test_a_daemon_is_ready_before_it_imports_what_answers_people_and_does_not_look_through_what_stays(dsn, tmp_path):
    config = tmp_path / "backfilld.toml"
    config.touch(mode=0o600)
    config.write_text(Plan("http://127.0.0.1:9", dsn).text(tmp_path / "state"))
    said = subprocess.run(
        [sys.executable, "-c", SERVE, str(config)], env=clean_environment(os.environ), check=True, capture_output=True
    )
    loaded, can_be_had_afterwards, frozen = json.loads(said.stdout)

    assert b'"event":"ready"' in said.stderr
    assert [] == [name for name in NOT_BEFORE_READY if name in loaded]
    assert [True, True, NEW_OBJECTS] == frozen
    assert "rich" == can_be_had_afterwards
