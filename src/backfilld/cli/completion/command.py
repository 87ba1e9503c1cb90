"""`backfilld completion`: lets a shell complete commands, options, ids, names and types."""

import click

from backfilld.cli.completion.scripts import PLACES, script


@click.command("completion")
@click.argument("shell", type=click.Choice(list(PLACES)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete words of this program: `source <(backfilld completion bash)`."""
    click.echo(script(context.find_root().command, shell), nl=False)
