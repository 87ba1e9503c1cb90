"""`backfilld completion`: lets a shell complete commands, options, ids, names and types."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes SHELL complete words of this program: `source <(backfilld completion bash)`."""
    from backfilld.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all of SHELLS
    click.echo(kind(cli, {}, "backfilld", "_BACKFILLD_COMPLETE").source())
