"""All commands of the program, found by walking it: what holds for each is tried with each, also with new ones."""

from collections.abc import Iterator

import click

from backfilld.cli.main import cli


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each that does something, with the words that lead to it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None

        yield from commands(found, (*path, name))
