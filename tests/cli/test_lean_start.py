"""What a daemon does without at its start: it is back sooner after a kill, and has less to look through."""

import json
import subprocess
import sys

PROGRAM = """
import gc, json, sys
from backfilld.cli.lean_start import NEW_OBJECTS, lean_start
with lean_start():
    from backfilld.app import Daemon
loaded = sorted({"rich", "jinja2", "pygments"} & {name for name, module in sys.modules.items() if module})
frozen = [gc.get_freeze_count() > 50_000, gc.isenabled(), gc.get_threshold()[0] == NEW_OBJECTS]
import rich
print(json.dumps([loaded, frozen, rich.__name__]))
"""


def test_a_daemon_does_without_what_draws_and_does_not_look_through_what_stays():
    said = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    loaded, frozen, can_be_had_afterwards = json.loads(said)

    assert [] == loaded
    assert [True, True, True] == frozen
    assert "rich" == can_be_had_afterwards
