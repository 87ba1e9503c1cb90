"""Manual pages from the commands themselves: one of the program, and one of each of its words.

click-man knows no commands that are imported when they are needed, as ours are, and takes a line that begins with a
full stop for a request to troff; so this is done here.
"""

from collections.abc import Iterator, Mapping

import click

from backfilld import __version__
from backfilld.cli.manual.roff import bold, italic, prose, section, subsection, tagged, text
from backfilld.cli.output.exit_codes import EXIT_CODES

PROGRAM = "backfilld"
ENVIRONMENT = {
    "BACKFILLD_URL": "Where the daemon is, as `--url`.",
    "BACKFILLD_API_KEY": "Who is asking, as `--api-key`; kept out of the list of processes.",
    "BACKFILLD_PROFILE": "Which of the daemons that `backfilld login` has kept.",
    "BACKFILLD_CONFIG": "The configuration file of the daemon, as `--config`.",
    "NO_COLOR": "If set: no colours.",
}
FILES = {
    "~/.config/backfilld/profiles.toml": "What `backfilld login` has kept: addresses and keys, for one user alone.",
    "/etc/backfilld/backfilld.toml": "The configuration of a daemon that was installed as docs/install.md says.",
}


def pages(program: click.Group) -> Mapping[str, str]:
    """The text of each page by the name of its file, as `backfilld-backfills.1`."""
    context = click.Context(program, info_name=PROGRAM)
    words = {name: program.get_command(context, name) for name in program.list_commands(context)}
    commands = {name: command for name, command in words.items() if command is not None and not command.hidden}
    made = {f"{PROGRAM}.1": _page(PROGRAM, program, _whole(program, commands))}
    for name, command in commands.items():
        below = click.Context(command, info_name=name, parent=context)
        made[f"{PROGRAM}-{name}.1"] = _page(f"{PROGRAM}-{name}", command, _word(below, command))
    return made


def _page(name: str, command: click.Command, body: Iterator[str]) -> str:
    """It bears no date: the same version always builds the same page."""
    lines = [
        f'.TH {text(name.upper())} 1 "" "{PROGRAM} {__version__}" "User Commands"',
        ".ad l",  # ragged: options make gaps in lines that are stretched
        section("NAME"),
        f"{text(name)} \\- {prose(_summary(command))}",
        *body,
        section("SEE ALSO"),
        *([] if name == PROGRAM else [f".BR {PROGRAM} (1),"]),
        "The guide, which each daemon serves below /docs/guide.",
    ]
    return "\n".join(lines) + "\n"


def _summary(command: click.Command) -> str:
    return _paragraphs(command)[0].rstrip(".")


def _paragraphs(command: click.Command) -> list[str]:
    return (command.help or "").replace("\b\n", "").split("\n\n")


def _whole(program: click.Group, commands: Mapping[str, click.Command]) -> Iterator[str]:
    yield section("SYNOPSIS")
    yield f"{bold(PROGRAM)} {italic('COMMAND')} …"
    yield section("DESCRIPTION")
    yield prose(" ".join(_paragraphs(program)))
    yield section("COMMANDS")
    for name, command in commands.items():
        yield from tagged(f"{bold(f'{PROGRAM}-{name}')}(1)", prose(_paragraphs(command)[0]))
    yield section("EXIT STATUS")
    for code, meaning in EXIT_CODES.items():
        yield from tagged(bold(str(code)), prose(meaning[0].upper() + meaning[1:] + "."))
    for title, entries in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        yield section(title)
        for name, told in entries.items():
            yield from tagged(bold(name), prose(told))


def _word(context: click.Context, command: click.Command) -> Iterator[str]:
    yield section("SYNOPSIS")
    if isinstance(command, click.Group):
        below = [click.Context(one, info_name=name, parent=context) for name, one in command.commands.items()]
        for one in below:
            yield from (_usage(one), ".br")
        yield section("DESCRIPTION")
        yield from _told(command)
        yield section("COMMANDS")
        for one in below:
            yield subsection(_usage(one))
            yield from _told(one.command)
            yield from _options(one)
        return
    yield _usage(context)
    yield section("DESCRIPTION")
    yield from _told(command)
    yield section("OPTIONS")
    yield from _options(context)


def _usage(context: click.Context) -> str:
    return " ".join([bold(context.command_path), *map(italic, context.command.collect_usage_pieces(context))])


def _told(command: click.Command) -> Iterator[str]:
    for number, paragraph in enumerate(_paragraphs(command)):
        if number:
            yield ".PP"
        yield prose(paragraph)


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            names, told = record
            yield from tagged(_named(names), prose(told))


def _named(names: str) -> str:
    """What is typed as it is in bold, what stands for something else in italics."""
    return " ".join(
        bold(word) if word.startswith("-") else text(word) if word == "/" else italic(word) for word in names.split()
    )
