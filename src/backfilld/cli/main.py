"""The `backfilld` command: which words it knows, and where each of them is done.

A command line should answer `--help` and complete a word at once. So this module names every command with its
one line of help, and the module behind a command is imported when that command is run.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from backfilld import __version__
from backfilld.cli.output.error_output import translated
from backfilld.cli.output.exit_codes import EXIT_CODES, INTERRUPTED
from backfilld.cli.running import hear_interrupts

# name: (module, what it is called there, its line in --help)
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "serve": ("serve", "command", "Run the daemon."),
    "demo": ("demo.command", "command", "Watch a real backfill on an embedded database."),
    "backfills": ("backfills.commands", "group", "Create, watch and steer backfills."),
    "status": ("status", "command", "See how the installation is, and what needs somebody."),
    "stop-all": ("admin.stopping", "stop_all", "Start nothing any more, in any daemon on the database."),
    "start-all": ("admin.stopping", "start_all", "Take back `stop-all`, or the stop of `serve --paused`."),
    "brakes": ("admin.brakes", "group", "See what holds starts while the present suffers, and let go."),
    "notifications": ("admin.notifications", "group", "See who is told what happens, test it, and send again."),
    "workflows": ("admin.workflows", "group", "See and change what can be run."),
    "projects": ("admin.projects", "group", "Check and push workflows in .dig files."),
    "schedules": ("schedules.commands", "group", "See when schedules fire, steer them, and run them for past times."),
    "sessions": ("schedules.sessions", "group", "See what was run of each slot of time, attempt by attempt."),
    "attempts": ("schedules.attempts", "group", "See, start and kill runs of sessions, and what they printed."),
    "entities": ("entities.commands", "group", "Load records into the built-in store, and look at them."),
    "targets": ("admin.targets", "targets", "See the systems that workflows send to."),
    "engines": ("admin.engines", "group", "See the engines that workflows run on, and test them."),
    "sources": ("entities.sources", "group", "See where entities come from, and test it."),
    "windows": ("windows", "group", "See what daily windows come to."),
    "keys": ("admin.keys", "group", "Make, list and revoke API keys, directly on the database."),
    "audit-log": ("admin.audit", "command", "See who did what, when and why."),
    "db": ("admin.dumping", "group", "Back the embedded database up, and restore it."),
    "migrate": ("admin.migrate", "command", "Bring the database's schema up to date."),
    "doctor": ("doctor.command", "command", "Say what is wrong here, and what to do about it."),
    "config": ("admin.config_check", "group", "Check a configuration file."),
    "upgrade": ("admin.upgrade.command", "group", "Go to this version and back, with a dump, on a VM."),
    "login": ("login", "login", "Keep where the daemon is, and your key, for later commands."),
    "logout": ("login", "logout", "Forget what `login` has kept."),
    "completion": ("completion.command", "command", "Let a shell complete words of this program."),
    "install-service": ("admin.install_service", "command", "Write or print the systemd unit of this installation."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"backfilld.cli.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # the table above says so
        if ctx.resilient_parsing:  # a shell asks what could come next
            from backfilld.cli.completion.names import complete

            complete(command, (cmd_name,))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*args, **options)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None

    def invoke(self, ctx: click.Context) -> Any:
        with translated(ctx):
            return super().invoke(ctx)


EPILOG = "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="backfilld", message="%(prog)s %(version)s")
def cli() -> None:
    """Runs a workflow over the past without hurting the present."""


def main() -> None:
    """The entry point of the program; ends the process."""
    hear_interrupts()
    cli(prog_name="backfilld")
