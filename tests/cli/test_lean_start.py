"""What a daemon does without at its start: it is back sooner after a kill, and has less to look through."""

import subprocess
import sys

IMPORTS = """
import gc, sys
from backfilld.cli.lean_start import NEW_OBJECTS, lean_start
with lean_start():
    from backfilld.app import Daemon
{then}
"""


def said_by(then: str) -> str:
    program = IMPORTS.format(then=then)
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def test_a_daemon_does_not_load_what_draws_terminals_and_pages():
    loaded = said_by("print({'rich', 'jinja2', 'pygments'} & {name for name, module in sys.modules.items() if module})")

    assert "set()" == loaded


def test_what_was_left_out_can_be_had_afterwards():
    assert "rich" == said_by("import rich; print(rich.__name__)")


def test_what_stays_is_not_looked_through_again():
    frozen, enabled, threshold = said_by(
        "print(gc.get_freeze_count() > 50_000, gc.isenabled(), gc.get_threshold()[0] == NEW_OBJECTS)"
    ).split()

    assert ("True", "True", "True") == (frozen, enabled, threshold)
