"""What a program is given, and what its end means."""

import errno
import json
import os
import sys
import tempfile
from decimal import Decimal

import pytest
from tests.support.executing import FreePermit, work

from backfilld.executors.command.environment import item_variables
from backfilld.executors.command.executor import CommandExecutor, CommandLimits
from backfilld.executors.definition import CommandExecutor as Definition
from backfilld.executors.definition_rules import RESERVED_VARIABLES
from backfilld.executors.payload import item_body
from backfilld.executors.secrets import SecretStore

DAEMON = {
    "PATH": os.environ["PATH"], "LANG": "de_DE.UTF-8", "HOME": "/nonexistent",
    "BACKFILLD_DATABASE__DSN": "postgresql://u:p@h/d", "NOTIFY_SOCKET": "/run/notify", "AWS_SECRET_ACCESS_KEY": "x",
}  # fmt: skip


async def run(*argv, secrets=None, limits=None, item=None, permit=None, environ=DAEMON, **keys):
    definition = Definition(type="command", argv=list(argv), **keys)
    executor = CommandExecutor(
        definition, target="command", secrets=SecretStore(secrets), limits=limits or CommandLimits(), environ=environ
    )
    return await executor.execute(item or work(), permit or FreePermit())


async def shell(script, **keys):
    return await run("sh", "-c", script, **keys)


async def python(script, **keys):
    return await run(sys.executable, "-c", script, **keys)


async def test_the_item_comes_on_standard_input():
    verdict = await shell("""printf '{"status": "succeeded", "result": %s}' "$(cat)" """)

    assert json.loads(item_body(work())) == json.loads(verdict.result)


async def test_a_large_item_hinders_nobody_even_if_it_is_not_read():
    large = work(attributes={"text": "x" * 5_000_000})

    assert "succeeded" == (await run("true", item=large)).kind
    assert "exit_3" == (await shell("exit $(($(wc -c) > 5000000 ? 3 : 4))", item=large)).error_class


async def test_the_environment_is_clean():
    script = "import json, os; print(json.dumps({'status': 'succeeded', 'result': dict(os.environ)}))"
    verdict = await python(script, env={"LANG": "C", "COLOUR": "red"})
    found = json.loads(verdict.result)
    found.pop("LC_CTYPE", None)  # what Python makes of LANG=C by itself

    assert {"PATH": DAEMON["PATH"], "HOME": "/nonexistent", "LANG": "C", "COLOUR": "red"} | item_variables(
        work()
    ) == found


async def test_the_item_is_told_of_in_variables():
    script = 'printf "%s|" "$BACKFILLD_IDEMPOTENCY_KEY" "$BACKFILLD_ATTEMPT" "$BACKFILLD_ENTITY_ID"; exit 1'
    verdict = await shell(script, item=work(attempt=3, idempotency_key="k", entity_id="Ä 1"))

    assert "exit status 1: k|3|Ä 1|" == verdict.error


def test_the_variables_of_an_item_are_reserved():
    assert RESERVED_VARIABLES == item_variables(work()).keys()


async def test_a_secret_is_given_and_not_repeated():
    verdict = await shell(
        'echo "got $TOKEN" >&2; exit 1', env={"TOKEN": {"secret": "crm"}}, secrets={"crm": "hunter2-new\nold"}
    )

    assert "exit status 1: got [secret]" == verdict.error


@pytest.mark.parametrize(
    ("secrets", "word"), [({}, "secret_missing"), ({"crm": ""}, "secret_missing"), ({"crm": "a\0b"}, "secret_unusable")]
)
async def test_without_its_secret_nothing_runs(secrets, word):
    permit = FreePermit()
    verdict = await run("true", env={"TOKEN": {"secret": "crm"}}, secrets=secrets, permit=permit)

    assert ("refused", word, 0) == (verdict.kind, verdict.error_class, permit.started)


async def test_it_runs_where_it_is_told_to(tmp_path):
    (tmp_path / "there").write_text("")

    assert "succeeded" == (await run("test", "-e", "there", cwd=str(tmp_path))).kind


async def test_no_file_of_the_daemon_is_open_in_it():
    with tempfile.TemporaryFile() as file:
        os.set_inheritable(file.fileno(), True)
        script = "import os, sys; sys.exit(len([fd for fd in os.listdir('/proc/self/fd') if int(fd) > 2]))"
        verdict = await python(script)

        assert "exit_1" == verdict.error_class  # the folder that it lists


async def test_a_said_status_is_believed():
    skipped = await shell("""echo '{"status": "skipped", "message": "nothing to do", "credits": 0.5}'""")
    failed = await shell("""echo '{"status": "failed", "message": "too old"}'""")

    assert ("skipped", "nothing to do", Decimal("0.5")) == (skipped.kind, skipped.message, skipped.credits)
    assert ("failed", "target_failed", "too old") == (failed.kind, failed.error_class, failed.error)
    assert (None, None) == (skipped.http_status, failed.http_status)


@pytest.mark.parametrize("output", ["", "done", "<p>", '{"n": 1}', "[1]", '"succeeded"', "[INFO] x"])
async def test_any_other_output_is_a_plain_success(output):
    verdict = await run("printf", "%s", output)

    assert ("succeeded", None, None) == (verdict.kind, verdict.message, verdict.result)


@pytest.mark.parametrize("output", ["{", '{"status": "failed"', '{"n": 1}\n{"n":', "{'status': 'failed'}"])
async def test_an_output_that_begins_as_json_and_is_none_is_tried_again(output):
    verdict = await run("printf", "%s", output)

    assert ("try_again", "bad_answer") == (verdict.kind, verdict.error_class)


async def test_an_output_too_long_to_be_read_is_a_success_that_says_so():
    verdict = await python("print('{' + ' ' * 70_000 + '\"status\": \"failed\"}')")

    assert ("succeeded", "its output is too long to be read; counted as a success") == (verdict.kind, verdict.message)


@pytest.mark.parametrize(
    ("script", "kind", "error_class"),
    [
        ("exit 1", "failed", "exit_1"),
        ("exit 75", "try_again", "exit_75"),
        ("exit 127", "failed", "exit_127"),
        ("kill -9 $$", "try_again", "killed_by_signal"),
        ("kill -TERM $$", "try_again", "killed_by_signal"),
    ],
)
async def test_the_way_it_ends_decides(script, kind, error_class):
    verdict = await shell(f'echo \'{{"status": "succeeded"}}\'; {script}')

    assert (kind, error_class) == (verdict.kind, verdict.error_class)


async def test_the_signal_is_named():
    assert "killed by SIGSEGV: oops" == (await shell("echo oops >&2; kill -SEGV $$")).error


async def test_the_end_of_what_it_complained_about_is_kept_and_clean():
    end = "\\x1b[31mred\\x1b[0m \\0\\x07ünd\\nlast line\\n"
    script = f"import sys; sys.stderr.write('noise\\n' * 100_000 + '{end}'); sys.exit(1)"
    error = (await python(script)).error

    assert error.startswith("exit status 1: …")
    assert error.endswith("noise\nred ünd\nlast line")
    assert 900 < len(error.encode()) <= 1024


async def test_what_is_no_text_is_told_as_well_as_may_be():
    assert "exit status 1: a\ufffdb" == (await shell(r"printf 'a\377b' >&2; exit 1")).error


@pytest.mark.parametrize(
    ("argv", "error_class"),
    [
        (["/nowhere/classify"], "command_not_found"),
        (["no-such-program-here"], "command_not_found"),
        (["/etc/hostname/x"], "command_not_found"),
        (["/etc/hostname"], "command_not_executable"),
        (["/"], "command_not_executable"),
    ],
)
async def test_a_program_that_cannot_be_started_holds_the_backfill(argv, error_class):
    verdict = await run(*argv)

    assert ("refused", error_class) == (verdict.kind, verdict.error_class)
    assert argv[0] in verdict.error


async def test_a_directory_that_is_not_there_holds_the_backfill():
    verdict = await run("true", cwd="/nowhere")

    assert ("refused", "cwd_not_usable") == (verdict.kind, verdict.error_class)
    assert "'/nowhere'" in verdict.error


async def test_a_machine_that_is_full_is_waited_for(monkeypatch):
    def full(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("backfilld.executors.command.executor.spawn", full)
    verdict = await run("true")

    assert ("no_room", "no_room") == (verdict.kind, verdict.error_class)
    assert "'true' cannot be started now" in verdict.error


@pytest.mark.parametrize("number", [errno.ETXTBSY, errno.EIO, errno.EINTR])
async def test_a_program_that_cannot_be_started_at_this_moment_is_waited_for(monkeypatch, number):
    def busy(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("backfilld.executors.command.executor.spawn", busy)
    verdict = await run("true")

    assert ("unreachable", "spawn_failed") == (verdict.kind, verdict.error_class)
