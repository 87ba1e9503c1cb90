"""What a shell reads to complete words of the program: click's own scripts, which ask the program itself."""

from collections.abc import Mapping

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM = "backfilld"
VARIABLE = "_BACKFILLD_COMPLETE"
# Where each shell looks for it, below the prefix of an installation.
PLACES: Mapping[str, str] = {
    "bash": f"bash-completion/completions/{PROGRAM}",
    "zsh": f"zsh/site-functions/_{PROGRAM}",
    "fish": f"fish/vendor_completions.d/{PROGRAM}.fish",
}


def script(program: click.Command, shell: str) -> str:
    """The script for `shell`, one of PLACES."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all of them
    # Not that of the kind: the one of bash first runs bash, to look at its version.
    return ShellComplete.source(kind(program, {}, PROGRAM, VARIABLE)).lstrip("\n")
