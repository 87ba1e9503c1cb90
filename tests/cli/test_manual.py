"""Manual pages say everything of every command, and nothing in them is taken for a request to the formatter."""

import os
import re
import shutil
import subprocess
import sys

import click
import pytest
from tests.cli.every_command import commands

from backfilld.cli.main import COMMANDS, cli
from backfilld.cli.manual.pages import pages
from backfilld.cli.manual.roff import prose, text
from backfilld.cli.manual.shared_files import shared_files

REQUESTS = re.compile(r"\.(TH|SH|SS|TP|PP|BR|br|ad)( |$)")
PAGES = pages(cli)


def shown(page: str) -> str:
    """What is read of it: without fonts and escapes."""
    plain = re.sub(r"\\f[BIR]|\\&", "", page).replace("\\-", "-").replace("\\e", "\\")
    return " ".join(plain.split())


def test_each_word_has_a_page_and_the_first_page_names_them_all():
    assert {"backfilld.1", *(f"backfilld-{word}.1" for word in COMMANDS)} == set(PAGES)
    assert [] == [word for word in COMMANDS if f"backfilld-{word}(1)" not in shown(PAGES["backfilld.1"])]


def test_every_option_of_every_command_is_told():
    untold = [
        (path, name)
        for path, command in commands()
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in parameter.opts
        if name not in shown(PAGES[f"backfilld-{path[0]}.1"])
    ]

    assert [] == untold


def test_no_option_is_without_a_word_about_it():
    options = [(path, one) for path, command in commands() for one in command.params if isinstance(one, click.Option)]

    assert [] == [(path, one.opts) for path, one in options if not one.help and not one.hidden]


@pytest.mark.parametrize("name", PAGES)
def test_what_looks_like_a_request_is_one_of_those_that_are_meant(name):
    lines = PAGES[name].splitlines()

    assert [] == [line for line in lines if line.startswith((".", "'")) and not REQUESTS.match(line)]
    assert [] == [line for line in lines if re.search(r"(?<!\\)\\(?![efR&(-])", line)]
    assert lines[0].startswith(".TH ")


@pytest.mark.parametrize(
    ("plain", "written"),
    [(".TH x", "\\&.TH x"), ("'x", "\\&'x"), ("a\\b", "a\\eb"), ("--x", "\\-\\-x")],
)
def test_text_stays_text(plain, written):
    assert written == text(plain)
    assert written == prose(plain)


def test_what_is_in_backticks_is_bold():
    assert "see \\fBbackfilld x\\fR, too" == prose("see `backfilld x`, too")


@pytest.mark.parametrize(
    "names", [["backfilld-backfills.1"], pytest.param(list(PAGES), marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_man_has_nothing_to_complain_about(tmp_path, names):
    if shutil.which("man") is None:
        assert "CI" not in os.environ, "man is missing; .ci/run installs it"
        pytest.skip("needs man: apt-get install man-db")
    for name in names:
        (tmp_path / name).write_text(PAGES[name])
    command = ["man", "--warnings", "--local-file", *(str(tmp_path / name) for name in names)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    )

    assert "" == done.stderr
    assert "--entity-type" in done.stdout.replace("\u2010", "-")


def test_building_them_takes_no_more_than_the_build_has():
    script = (
        "import sys; known = set(sys.modules)\n"
        "from backfilld.cli.manual.shared_files import shared_files; shared_files()\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - known} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", f"import site; site.main()\n{script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    needed = {name for name in eval(done.stdout) if not name.startswith("_")}

    assert {"backfilld", "click", "orjson"} == needed


def test_every_shell_finds_its_script():
    files = shared_files()

    for place in ("bash-completion/completions/backfilld", "zsh/site-functions/_backfilld",
                  "fish/vendor_completions.d/backfilld.fish"):  # fmt: skip
        assert "_BACKFILLD_COMPLETE" in files[place]
    assert files["zsh/site-functions/_backfilld"].startswith("#compdef backfilld\n")
