"""A value in the text of a shell is one word and no option, whatever it holds and wherever it stands."""

import asyncio
from contextlib import suppress
from itertools import product

import pytest
from tests.executors.test_substitution import definition, of_session, run

from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.domain.placeholders import Unfilled
from backfilld.executors.templates.shell_text import spots_in, text_for_shell
from backfilld.executors.templates.substitution import Filling

SHELL = ["/bin/sh", "-c"]
ASCII = [chr(number) for number in range(1, 128)]
VALUES = ["", "ab", *(value for c in ASCII for value in (c, c + "ab", "a" + c + "b", "ab" + c))]
# What stands around the value, and what the word is then.
WORDS = {
    "${v}": "{}",
    '"${v}"': "{}",
    "'${v}'": "{}",
    "x${v}y": "x{}y",
    '"x${v}y"': "x{}y",
    "--dir=${v}": "--dir={}",
    '--dir="${v}"': "--dir={}",
    "'it'\"'\"'s'${v}": "it's{}",
    '"a \\" ${v}"': 'a " {}',
    "a\\ ${v}": "a {}",
}
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")


def put_in(text: str, params: dict[str, str], exports: dict[str, str] | None = None) -> str:
    filling = Filling(exports or {})
    return filling.argv([*SHELL, text], filling.work(of_session(params)))[2]


async def words_of(texts: list[str]) -> list[list[str]]:
    """What a real shell makes of each command line `show WORDS`."""
    script = "\n".join([r"""show() { printf '%s\000' "$#" "$@"; }""", *texts])
    shell = await asyncio.create_subprocess_exec(
        *SHELL, script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await shell.communicate()

    assert b"" == errors

    parts, found = iter(out.decode().split("\0")), []
    with suppress(StopIteration):
        while count := next(parts):
            found.append([next(parts) for _ in range(int(count))])
    return found


async def test_every_ascii_character_at_every_place_is_one_word_or_refused() -> None:
    texts, expected, refused = [], [], []
    for (around, word), value in product(WORDS.items(), VALUES):
        try:
            texts.append(put_in(f"show {around} end", {"v": value}))
            expected.append([word.format(value), "end"])
        except Unfilled:
            refused.append((around, value))

    assert expected == await words_of(texts)
    assert not [value for _, value in refused if set(value) <= SAFE and value and not value.startswith("-")]
    assert ("${v}", "-ab") in refused
    assert ('"${v}"', "-ab") in refused
    assert ("${v}", "a b") in refused
    assert ('"${v}"', "a b") not in refused


@pytest.mark.parametrize(
    "text",
    ["tar cf /tmp/x.tar ${dir}", 'tar cf /tmp/x.tar "${dir}"', "tar cf /tmp/x.tar '${dir}'", "tar cf x ${empty}${dir}",
     'echo "$(tar cf x "${dir}")"', "`tar cf x '${dir}'`", "tar cf x -${dir}", "sh <<E\ntar '${dir}'\nE\n",
     "# it's a comment\ntar cf x ${dir}", "tar cf x ${export}"],
)  # fmt: skip
@pytest.mark.parametrize("dir", ["/etc/hostname --checkpoint=1 --checkpoint-action=exec=id", "--checkpoint=1"])
async def test_a_param_never_becomes_an_option(text: str, dir: str) -> None:
    if '"${dir}"' in text and "$(" not in text and not dir.startswith("-"):
        assert f'"{dir}"' in put_in(text, {"dir": dir})
        return
    if "'${dir}'" in text and not set("`<") & set(text) and not dir.startswith("-"):
        assert f"'{dir}'" in put_in(text, {"dir": dir})
        return
    stored = definition({"type": "command", "argv": [*SHELL, text]}, exports={"export": "${dir}", "empty": ""})
    verdict = await run(stored, of_session({"dir": dir}))

    assert (VerdictKind.FAILED, "variable_unfit") == (verdict.kind, verdict.error_class)


@pytest.mark.parametrize(("text", "value"), [("rm -rf ${v}/*", ""), ("${v}", ""), ("a ${v} b", None), ("a ${e} b", "")])
def test_a_value_that_is_empty_leaves_no_hole(text, value) -> None:
    with pytest.raises(Unfilled, match="is empty"):
        put_in(text, {"v": value}, {"e": "${v}"})


@pytest.mark.parametrize("variable", ["session_local_time", "last_session_time", "session_tz_offset", "session_time"])
def test_what_a_session_is_told_of_itself_may_stand_anywhere(variable) -> None:
    told = {"session_local_time": "2027-03-01 00:00:00", "last_session_time": "", "session_tz_offset": "-0500"}
    item = of_session()
    item = item.__class__(**{name: getattr(item, name) for name in item.__slots__} | {"session": item.session | told})

    assert Filling({}).argv([*SHELL, f"x ${{{variable}}}"], Filling({}).work(item))


def test_the_name_that_a_caller_gives_an_attempt_is_looked_at_like_a_param() -> None:
    item = of_session()
    session = item.session | {"retry_attempt_name": "--help"}
    item = item.__class__(**{name: getattr(item, name) for name in item.__slots__} | {"session": session})

    with pytest.raises(Unfilled, match="option"):
        Filling({}).argv([*SHELL, "x ${retry_attempt_name}"], Filling({}).work(item))


@pytest.mark.parametrize(
    ("argv", "at"),
    [
        (["/bin/sh", "-c", "x"], 2),
        (["bash", "-c", "x"], 2),
        (["/usr/bin/env", "A=1", "bash", "-lc", "x", "a"], 4),
        (["nice", "-n", "5", "sh", "-e", "-c", "x"], 6),
        (["busybox", "sh", "-ec", "x"], 3),
        (["/usr/bin/tar", "-c", "x"], None),
        (["sh", "script.sh", "x"], None),
        (["sh", "-c"], None),
    ],
)
def test_the_text_of_any_shell_is_found(argv, at) -> None:
    assert at == text_for_shell(argv)


@pytest.mark.parametrize("shell", [["bash", "-c"], ["env", "sh", "-ec"], ["/usr/bin/dash", "-c"]])
def test_a_param_becomes_a_command_in_no_shell(shell) -> None:
    filling = Filling({})

    with pytest.raises(Unfilled, match="acts upon"):
        filling.argv([*shell, "echo ${x}"], filling.work(of_session({"x": "a; id"})))


@pytest.mark.parametrize(
    ("argument", "fits"), [("${x}", False), ("${x}/a", False), ("--d=${x}", True), ("a${x}", True)]
)
def test_a_value_that_begins_an_argument_is_no_option(argument, fits) -> None:
    filling, item = Filling({}), of_session({"x": "--help"})
    if fits:
        assert argument.replace("${x}", "--help") == filling.argv(["tar", argument], filling.work(item))[1]
    else:
        with pytest.raises(Unfilled, match="option"):
            filling.argv(["tar", argument], filling.work(item))


def test_there_is_a_place_for_every_placeholder() -> None:
    text = "a ${v} # '${v}\n\"${v}\" '\\${v}' \\\"${v}"

    assert [(False, True), (False, True), (True, True), (True, False), (False, False)] == [
        (place.is_quoted, place.begins_word) for place in spots_in(text)
    ]
