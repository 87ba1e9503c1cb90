"""What becomes of a digdag workflow: a definition of ours, or faults with their lines."""

from typing import Any

import pytest

from backfilld.executors.definition_rules import DefinitionRules
from backfilld.projects import ProjectInvalid, read_files

RULES = DefinitionRules(("http",), (), frozenset({"signing"}))
WITH_COMMANDS = DefinitionRules(("http", "command"), ("api.example.com",), frozenset())
TASK = "+t:\n  echo>: hi\n"


def plain(text: str, rules: DefinitionRules = RULES) -> dict[str, Any]:
    (workflow,) = read_files({"w.dig": text}, "p", rules)
    return workflow.definition.plain()


def faults(text: str, rules: DefinitionRules = RULES) -> list[tuple[int, str]]:
    with pytest.raises(ProjectInvalid) as problem:
        read_files({"w.dig": text}, "p", rules)
    return [(fault.line, fault.message) for fault in problem.value.faults]


def test_an_http_task_with_everything():
    text = """timezone: +09:00
schedule: {daily>: 07:00:00}
_export: {a: 1, b: {c: x}}
+work:
  _export: {a: 2}
  http>: https://api.example.com/run/${b.c}
  method: post
  headers:
    - X-A: ${a}
    - Authorization: ${secret:token}
  secret: signing
  content: {day: "${session_date}"}
  content_format: json
  completion: poll
  poll: {url: "https://api.example.com/status/{idempotency_key}", interval_seconds: 2}
  timeout: 30
  _retry: 4
"""

    assert {
        "name": "w",
        "project": "p",
        "task": "work",
        "timezone": "+09:00",
        "schedule": {"daily>": "07:00:00"},
        "executor": {
            "type": "http",
            "url": "https://api.example.com/run/${b.c}",
            "headers": {"X-A": "${a}", "Authorization": {"project_secret": "token"}},
            "secret": {"secret": "signing"},
            "content": {"day": "${session_date}"},
            "completion": "poll",
            "poll": {"url": "https://api.example.com/status/{idempotency_key}", "interval_seconds": 2.0},
        },
        "exports": {"a": 2, "b": {"c": "x"}},
        "max_attempts": 5,
        "timeout_seconds": 30.0,
        "substitutes": True,
    } == plain(text)


def test_a_shell_task_where_commands_are_allowed():
    executor = plain("+t:\n  sh>: echo ${session_date}\n", WITH_COMMANDS)["executor"]

    assert {"type": "command", "argv": ["/bin/sh", "-c", "echo ${session_date}"]} == executor


@pytest.mark.parametrize(("text", "task"), [("+report:\n  echo>: hi\n", "report"), ("echo>: hi\n", None)])
def test_the_task_keeps_its_name(text, task):
    assert task == plain(text).get("task")


@pytest.mark.parametrize("name", ["+", "+" + "x" * 256])
def test_a_task_that_cannot_be_named_is_refused(name):
    ((line, message),) = faults(f"timezone: UTC\n? {name}\n: {{echo>: hi}}\n")

    assert 2 == line
    assert "characters" in message


def test_without_retry_there_is_one_try_as_in_digdag():
    assert 1 == plain(TASK)["max_attempts"]


def test_an_operator_at_the_top_is_the_task():
    assert {"type": "echo", "message": "hi"} == plain("timezone: UTC\necho>: hi\n")["executor"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("+t:\n  sh>: ls\n", 2, "'sh>' is not allowed here"),
        ("+t:\n  py>: a.b\n", 2, "the operator 'py>' does not run here"),
        ("+t:\n  eco>: a\n", 2, "did you mean 'echo>'?"),
        ("+t:\n  for_each>: {a: [1]}\n  _do:\n    echo>: hi\n", 2, "'for_each>' does not run here"),
        (TASK + "+u:\n  echo>: ho\n", 3, "'+u' is a second task"),
        ("+t:\n  +u:\n    echo>: hi\n", 2, "'+u' is a task in a task"),
        ("+t:\n  echo>: hi\n  sh>: ls\n", 3, "second operator"),
        ("+t: text\n", 1, "a task must be a mapping"),
        ("+t:\n  foo: 1\n", 1, "the task has no operator"),
        ("timezone: UTC\n", 1, "has no task"),
        (TASK + "_parallel: true\n", 3, "'_parallel'"),
        (TASK + "_error:\n  echo>: no\n", 3, "'_error'"),
        (TASK + "_check:\n  echo>: no\n", 3, "'_check'"),
        (TASK + "sla:\n  time: 1\n", 3, "'sla'"),
        (TASK + "shedule:\n  daily>: 1\n", 3, "did you mean 'schedule'?"),
        (TASK + "_retry: {limit: 3}\n", 3, "'_retry' must be a number"),
        (TASK + "_retry: 20\n", 3, "'_retry' must be a number from 0 to 19"),
        (TASK + "_export: text\n", 3, "'_export' must be a mapping"),
        (TASK + "_export:\n  a: ${b + 1}\n", 4, "${b + 1} is an expression"),
        (TASK + "timezone: Asia/Tokio\n", 3, "did you mean 'Asia/Tokyo'?"),
        (TASK + "timezone: 9\n", 3, "'timezone' must be text"),
        (TASK + "schedule:\n  daily>: 07:00\n", 4, "must be HH:MM:SS"),
        (TASK + "schedule:\n  daily>: 07:00:00\n  hourly>: 30:00\n", 5, "one of these only"),
        (TASK + "schedule:\n  dayly>: 07:00:00\n", 4, "did you mean 'daily>'?"),
        (TASK + "schedule:\n  hourly>: 30:00\n  skp_on_overtime: true\n", 5, "did you mean 'skip_on_overtime'?"),
        (TASK + "schedule: daily\n", 3, "'schedule' must be a mapping"),
        ("+t:\n  echo>: ${moment(session_time)}\n", 2, "is an expression"),
        ("+t:\n  echo>: ${secret:x}\n", 2, "whole value of a header"),
        ("+t:\n  echo>: hi\n  foo: 1\n", 3, "'echo>' takes no 'foo' here"),
        ("+t:\n  http>: http://h/\n  method: GET\n", 3, "'method' must be POST"),
        ("+t:\n  http>: http://h/\n  store_content: true\n", 3, "it stands in the log"),
        ("+t:\n  http>: http://h/\n  metod: POST\n", 3, "did you mean 'method'?"),
        ("+t:\n  http>: http://h/\n  content: text\n", 3, "'content' must be a mapping"),
        ("+t:\n  http>: http://h/\n  content_format: form\n", 3, "'content_format' must be json"),
        ("+t:\n  http>: http://h/\n  timeout: soon\n", 3, "'timeout' must be a number"),
        ("+t:\n  http>: http://h/\n  secret: other\n", 3, "there is no secret 'other'"),
        ("+t:\n  http>: http://h/\n  completion: later\n", 3, "'response' or 'poll'"),
        ("+t:\n  http>: http://h/\n  headers: text\n", 3, "'headers' must be a mapping"),
        ("+t:\n  http>: http://h/\n  headers:\n  - A: b\n  - Authorization: abc\n", 5, "is a secret"),
        ("+t:\n  http>: http://h/\n  headers:\n  - A: b\n  - A: c\n", 5, "given twice"),
        ("+t:\n  http>: http://h/\n  headers: {Host: x}\n", 3, "set for each request by backfilld itself"),
        ("+t:\n  http>: http://${host}/\n", 2, "not in the scheme, host or port"),
        ("+t:\n  http>: ftp://h/\n", 2, "http:// or https://"),
        ("+t:\n  http>: http://169.254.169.254/\n", 2, "never a target"),
        ("+t:\n  http>:\n", 2, "'http>' must be text"),
        ("a: 1\na: 2\n" + TASK, 2, "'a' is given twice"),
        (TASK + "x: !include 'a.dig'\n", 3, "the tag !include"),
    ],
)
def test_what_does_not_run_here_is_named_with_its_line(text, line, words):
    found = faults(text)

    assert [line] == [at for at, message in found if words in message], found


def test_a_host_that_is_not_allowed_is_refused():
    ((line, message),) = faults("+t:\n  http>: http://other.example.com/\n", WITH_COMMANDS)

    assert 2 == line
    assert "not among executors.allowed_hosts" in message


def test_the_faults_of_all_files_come_at_once():
    with pytest.raises(ProjectInvalid) as problem:
        read_files({"b.dig": "+t:\n  py>: a\n", "a.dig": "[", "c.dig": TASK}, "p", RULES)

    assert [("a.dig", 1), ("b.dig", 2)] == [(fault.file, fault.line) for fault in problem.value.faults]


@pytest.mark.parametrize("file", [".dig", "a\nb.dig", "x" * 256 + ".dig"])
def test_a_file_that_is_no_name_for_a_workflow_is_refused(file):
    with pytest.raises(ProjectInvalid, match="named by its file"):
        read_files({file: TASK}, "p", RULES)


POLLED = "+t:\n  http>: http://h.example/\n  completion: poll\n"


@pytest.mark.parametrize(("text", "line", "told"), [
    (TASK + "schedule: daily\n", 3, "'schedule' must be a mapping"),
    (TASK + "schedule: [1]\n", 3, "'schedule' must be a mapping"),
    (TASK + "timezone: [a]\n", 3, "'timezone' must be text"),
    (TASK + "timezone: Mars\n", 3, "'timezone': 'Mars' is not a time zone"),
    (TASK + "_export: {'': 1}\n", 3, "must be of at least 1 character"),
    (TASK + "schedule: {daly>: 1}\n", 3, "there is no schedule 'daly>'; did you mean 'daily>'?"),
    (POLLED + "  poll: 5\n", 4, "'poll' must be a mapping"),
    (POLLED + "  poll: {interval: 5}\n", 4, "'interval' is not known here; did you mean 'interval_seconds'?"),
    (POLLED + "  poll: {interval_seconds: 5000}\n", 4, "'interval_seconds' must be at most 3600"),
    (POLLED + "  poll: {interval_seconds: soon}\n", 4, "'interval_seconds' must be a number"),
    (POLLED + "  poll: {url: [x]}\n", 4, "'url' must be text"),
    ("+t:\n  http>: http://h.example/\n  completion: later\n", 3, "'completion' must be 'response' or 'poll'"),
    ("+t:\n  http>: http://h.example/\n  poll: {interval_seconds: 1}\n", 2, "'http>': `poll` needs"),
    ("+t:\n  http>: " + "http://h.example/" + "x" * 2048, 2, "'http>' must be of at most 2048 characters"),
])  # fmt: skip
def test_what_has_the_wrong_shape_is_told_by_the_name_of_its_key(text, line, told):
    ((at, message),) = faults(text)

    assert line == at
    assert message.startswith(told), message


SHELL, HTTP = "+t:\n  sh>: ls\n", "+t:\n  http>: http://api.example.com/\n"


@pytest.mark.parametrize(("task", "key", "value"), [
    (SHELL, "docker", "{image: alpine}"), (SHELL, "ecs", "{cluster: a}"), (SHELL, "kubernetes", "{name: a}"),
    (SHELL, "shell", "[bash, -e]"), (SHELL, "_env", "{A: b}"), (SHELL, "sh", "{shell: [bash]}"),
    (HTTP, "http", "{method: GET}"), (HTTP, "method", "GET"), (HTTP, "headers", "[{A: b}]"), (HTTP, "timeout", "3"),
    (HTTP, "content", "{a: b}"), (HTTP, "query", "{a: b}"), (HTTP, "retry", "true"),
])  # fmt: skip
@pytest.mark.parametrize("of_task", [True, False])
def test_an_export_that_would_change_how_an_operator_is_run_is_refused(task, key, value, of_task):
    export = f"_export:\n  {key}: {value}\n"
    text = task + ("".join(f"  {line}\n" for line in export.splitlines()) if of_task else export)

    assert (4, f"'{key}' in '_export' would change how") in [
        (line, message.partition(" '" + ("sh>" if task == SHELL else "http>"))[0])
        for line, message in faults(text, WITH_COMMANDS)
    ]


@pytest.mark.parametrize("key", ["docker", "ecs", "kubernetes", "shell", "_env"])
def test_an_option_of_a_script_that_does_not_hold_here_is_told_why(key):
    ((line, message),) = faults(SHELL + f"  {key}: {{a: b}}\n", WITH_COMMANDS)

    assert (3, f"'{key}': ") == (line, message[: len(key) + 4])


@pytest.mark.parametrize(("task", "key"), [(HTTP, "docker"), (TASK, "docker"), (SHELL, "timeout"), (SHELL, "table")])
def test_an_export_that_changes_nothing_of_its_operator_is_a_variable(task, key):
    assert {key: "x"} == plain(task + f"_export: {{{key}: x}}\n", WITH_COMMANDS)["exports"]


OTHERS = ("tasks/run.sh", "sql/a.sql", "data.csv", "run")


@pytest.mark.parametrize(("script", "named"), [
    ("tasks/run.sh", ["tasks/run.sh"]), ("./tasks/run.sh -x", ["tasks/run.sh"]),
    ("sh tasks/run.sh; true", ["tasks/run.sh"]), ("cat sql/*.sql | psql", ["sql/a.sql"]),
    ("psql -f 'sql/${name}.sql'", ["sql/a.sql"]), ("wc <data.csv", ["data.csv"]),
    ("cat $(ls data.csv)", ["data.csv"]), ("./run", ["run"]), ("x=`tasks/run.sh`", ["tasks/run.sh"]),
    ("cp data.csv sql/a.sql", ["sql/a.sql", "data.csv"]),
    ("echo run", []), ("/opt/tasks/run.sh", []), ("${dir}/run.sh", []), ("echo tasks", []), ("*", []),
    ("ls ./other.sh", []),
])  # fmt: skip
def test_files_of_the_project_that_a_script_names_are_refused_by_name(script, named):
    text = f"+t:\n  sh>: {script!r}\n" if "'" not in script else f'+t:\n  sh>: "{script}"\n'
    rules = DefinitionRules(("http", "command"))
    try:
        read_files({"w.dig": text}, "p", rules, others=OTHERS)
        found = []
    except ProjectInvalid as problem:
        found = [fault for fault in problem.faults if "is a file of the project" in fault.message]

    assert sorted(named) == sorted(fault.message.split("'")[1] for fault in found)
    assert all(fault.line == 2 for fault in found)


def test_other_operators_may_name_files_of_the_project():
    assert read_files({"w.dig": "+t:\n  echo>: data.csv\n"}, "p", RULES, others=OTHERS)


def test_operators_and_tasks_of_a_large_file_are_said_once_each():
    tasks = "".join(f"+t{number}:\n  td>: a\n" for number in range(30))

    assert [
        (2, "the operator 'td>' does not run here; known are http>, echo> or sh>"),
        (3, "'+t1' is a second task, and 28 more behind it; a workflow has exactly one here"),
    ] == faults(tasks)


def test_a_group_with_an_operator_of_its_own_says_the_first_of_its_tasks_and_takes_its_other_keys():
    text = "+t:\n  echo>: hi\n  _export: {a: 1}\n  +u: {echo>: a}\n  +v: {echo>: b}\n"

    assert [(4, "'+u' is a task in a task, and 1 more beside it; a workflow has exactly one here")] == faults(text)
