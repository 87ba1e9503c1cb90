"""The files that an installation has below `share`."""

from collections.abc import Mapping

from backfilld.cli.completion.scripts import PLACES, script
from backfilld.cli.main import cli
from backfilld.cli.manual.pages import pages


def shared_files() -> Mapping[str, str]:
    """Their texts by their places, as `man/man1/backfilld.1`."""
    return {
        **{f"man/man1/{name}": page for name, page in pages(cli).items()},
        **{place: script(cli, shell) for shell, place in PLACES.items()},
    }
