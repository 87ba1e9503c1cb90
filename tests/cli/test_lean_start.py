"""What a daemon does without at its start: it is back sooner after a kill, and has less to look through."""

import json
import os
import subprocess
import sys

from tests.support.daemon import Plan

from backfilld.cli.demo.folder import clean_environment

PROGRAM = """
import gc, json, sys
from backfilld.cli.lean_start import NEW_OBJECTS, lean_start
with lean_start():
    from backfilld.app import Daemon
frozen = [gc.get_freeze_count() > 50_000, gc.isenabled(), gc.get_threshold()[0] == NEW_OBJECTS]
import rich
print(json.dumps([frozen, rich.__name__]))
"""
# Ends where the daemon begins to import what answers people.
SERVE = """
import json, os, sys

def heard(event, arguments):
    if event == "import" and arguments[0].startswith("backfilld.app.routes"):
        print(json.dumps([name for name, module in sys.modules.items() if module]), flush=True)
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


def test_a_daemon_does_not_look_through_what_stays_and_can_draw_afterwards():
    said = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    frozen, can_be_had_afterwards = json.loads(said)

    assert [True, True, True] == frozen
    assert "rich" == can_be_had_afterwards


def test_a_daemon_is_ready_before_it_imports_what_answers_people(dsn, tmp_path):
    config = tmp_path / "backfilld.toml"
    config.touch(mode=0o600)
    config.write_text(Plan("http://127.0.0.1:9", dsn).text(tmp_path / "state"))
    said = subprocess.run(
        [sys.executable, "-c", SERVE, str(config)], env=clean_environment(os.environ), check=True, capture_output=True
    )
    loaded = json.loads(said.stdout)

    assert b'"event":"ready"' in said.stderr
    assert [] == [name for name in NOT_BEFORE_READY if name in loaded]
