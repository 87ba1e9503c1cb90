"""docs/cli.md names every command and every exit code."""

from pathlib import Path

import click

from backfilld.cli.main import cli
from backfilld.cli.output.exit_codes import EXIT_CODES

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    return [
        found
        for name in command.list_commands(context)
        for found in commands(command.get_command(context, name), (*path, name))
    ]


def test_every_command_is_documented():
    every = commands(cli)

    assert 15 < len(every)
    assert [] == [path for path in every if f"`{path[-1]}" not in DOCS and f"`{' '.join(path)}" not in DOCS]


def test_every_exit_code_is_documented():
    assert [] == [code for code in EXIT_CODES if f"| {code} |" not in DOCS]


def test_every_option_of_create_is_documented():
    context = click.Context(cli)
    group = cli.get_command(context, "backfills")
    options = [option for parameter in group.commands["create"].params for option in parameter.opts]

    assert [] == [option for option in options if option not in DOCS]
