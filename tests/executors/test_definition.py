"""What a workflow definition may say, and what each fault in it is called."""

import pytest
from pydantic import ValidationError

from backfilld.executors.definition import CommandExecutor, WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.definitions.http import HttpExecutor

ANYTHING = DefinitionRules()


def definition(**executor):
    keys = {"type": "http", "url": "https://api.example.com/items"} | executor
    return WorkflowDefinition.model_validate({"name": "enrich", "executor": keys})


def faults(rules=ANYTHING, **executor):
    return [(fault.path, fault.code) for fault in definition_faults(definition(**executor), rules)]


def test_everything_that_is_documented_is_accepted():
    whole = WorkflowDefinition.model_validate(
        {
            "name": "enrich",
            "project": "crm",
            "executor": {
                "type": "http",
                "url": "https://api.example.com/items?x=1",
                "headers": {"X-Team": "data", "Authorization": {"secret": "token"}},
                "secret": {"secret": "signing"},
                "completion": "poll",
                "poll": {
                    "url": "https://api.example.com/{entity_id}?key={idempotency_key}",
                    "interval_seconds": 2,
                    "status": "data.state",
                    "succeeded": ["ok"],
                    "failed": ["ko"],
                    "skipped": ["none"],
                    "message": "data.note",
                    "done_on": "not_202",
                },
            },
            "timezone": "Europe/Berlin",
            "credits_per_entity": 0.5,
            "max_attempts": 5.0,
            "timeout_seconds": 300,
            "enabled": False,
        }
    )

    assert [] == definition_faults(whole, DefinitionRules(["http"], ["*.example.com"], ["token", "signing"]))
    assert 5 == whole.max_attempts


@pytest.mark.parametrize(
    ("poll", "fault"),
    [
        ({"succeeded": ["Done"], "failed": ["late", "done"]}, ("/executor/poll/failed/1", "ambiguous")),
        ({"failed": ["x"], "skipped": ["X"]}, ("/executor/poll/skipped/0", "ambiguous")),
    ],
)
def test_a_word_of_a_target_means_one_thing(poll, fault):
    assert [fault] == faults(completion="poll", poll=poll)


@pytest.mark.parametrize(
    "poll", [{"status": "a..b"}, {"status": ""}, {"message": "a\\x"}, {"done_on": "202"}, {"failed": "no"}]
)
def test_a_poll_is_shaped_as_documented(poll):
    with pytest.raises(ValidationError):
        definition(completion="poll", poll=poll)


@pytest.mark.parametrize(
    "limits", [{"memory_mb": 0}, {"memory_mb": "512"}, {"cpu_seconds": 0.5}, {"cpu_seconds": -1}, {"files": 5}]
)
def test_limits_of_a_program_are_shaped_as_documented(limits):
    with pytest.raises(ValidationError):
        CommandExecutor(type="command", argv=["true"], limits=limits)


def test_what_is_left_out_has_its_default():
    whole = definition()

    assert ("default", "UTC", 0.0, 3, 60.0, True, "response") == (
        whole.project, whole.timezone, whole.credits_per_entity, whole.max_attempts, whole.timeout_seconds,
        whole.enabled, whole.executor.completion,
    )  # fmt: skip


def test_a_definition_survives_being_stored():
    whole = definition(headers={"Authorization": {"secret": "token"}, "X-A": "b"}, secret={"secret": "signing"})

    assert whole == WorkflowDefinition.model_validate(whole.plain())


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": "x" * 256}, {"name": 5}, {"nmae": "x"}, {"max_attempts": 0}, {"max_attempts": 21},
        {"max_attempts": "3"}, {"max_attempts": 2.5}, {"timeout_seconds": 0}, {"timeout_seconds": 3_000_000},
        {"timeout_seconds": float("inf")}, {"credits_per_entity": -1}, {"credits_per_entity": float("nan")},
        {"timezone": "Mars/Base"}, {"enabled": "yes"}, {"executor": {"type": "carrier-pigeon"}},
        {"executor": {"type": "http"}}, {"executor": {"type": "http", "url": "http://a", "method": "GET"}},
        {"executor": {"type": "http", "url": "http://a", "secret": "whsec_literal"}},
        {"executor": {"type": "http", "url": "http://a", "poll": {"url": "http://a"}}},
        {"executor": {"type": "http", "url": "http://a", "completion": "poll", "poll": {"interval_seconds": 0}}},
    ],
)  # fmt: skip
def test_what_has_not_the_right_shape_is_refused(change):
    body = {"name": "enrich", "executor": {"type": "http", "url": "https://api.example.com"}} | change
    with pytest.raises(ValidationError):
        WorkflowDefinition.model_validate(body)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "example.com/x", "//example.com", "http://", "https:///path", "http://user@example.com/",
        "http://user:password@example.com/", "http://example.com/#part", "http://example.com/a b", "http://exämple.com/",
        "http://example.com:99999/", "http://example.com:0/", "http://example.com:x/", "http://[::1/",
        "http://[::1]x/", "http://x[::1]/", "http://[v1.x]/", "http://[]/", "http://[127.0.0.1]/",
        "javascript:alert(1)", "http://exa\r\nmple.com/", "http://a|b/", "file:///etc/passwd", "HTTP", "http://@example.com/",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_called_is_a_fault_that_does_not_repeat_it(url):
    found = definition_faults(definition(url=url), ANYTHING)

    assert [("/executor/url", "invalid_url")] == [(fault.path, fault.code) for fault in found]
    assert "password" not in found[0].message.replace("user or password", "")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "https://EXAMPLE.com", "http://[::1]:80/x", "https://a-b.example.com/%C3%A4?q=a+b"]
)
def test_other_urls_are_fine(url):
    assert [] == faults(url=url)


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "metadata.google.internal", "[fe80::1]"])
def test_a_host_that_is_never_a_target_is_a_fault(host):
    assert [("/executor/url", "address_not_allowed")] == faults(url=f"http://{host}/latest/meta-data")


def test_hosts_are_checked_against_the_list():
    rules = DefinitionRules(allowed_hosts=["api.example.com", "*.example.org:8443"])

    assert [] == faults(rules)
    assert [] == faults(rules, url="https://x.example.org:8443/")
    assert [("/executor/url", "host_not_allowed")] == faults(rules, url="https://x.example.org/")
    assert [("/executor/url", "host_not_allowed")] == faults(rules, url="http://api.example.com.evil.net/")


@pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION", "Cookie", "Proxy-Authorization", "X-Api-Key"])
def test_a_literal_secret_is_a_fault_that_does_not_repeat_it(name):
    [fault] = definition_faults(definition(headers={name: "hunter2"}), ANYTHING)

    assert (f"/executor/headers/{name}", "literal_secret") == (fault.path, fault.code)
    assert "hunter2" not in fault.message


@pytest.mark.parametrize(
    "name",
    ["webhook-id", "Webhook-Signature", "webhook-anything", "Idempotency-Key", "Content-Length", "Host",
     "Transfer-Encoding", "traceparent", "Content-Type", "Connection", "Expect"],
)  # fmt: skip
def test_headers_that_are_made_for_each_request_are_reserved(name):
    assert [(f"/executor/headers/{name}", "reserved_header")] == faults(headers={name: "x"})


@pytest.mark.parametrize(
    "headers", [{"X A": "b"}, {"X:": "b"}, {"X\r\nEvil": "b"}, {"X-A": "b\r\nEvil: c"}, {"X-A": "b\0"}, {"X-A": "ä"}]
)
def test_headers_that_would_break_the_request_are_faults(headers):
    [(_, code)] = faults(headers=headers)

    assert "invalid_header" == code


def test_a_header_may_not_be_given_twice_in_two_spellings():
    assert [("/executor/headers/x-a", "invalid_header")] == faults(headers={"X-A": "1", "x-a": "2"})


def test_an_unknown_secret_is_answered_with_the_nearest():
    rules = DefinitionRules(secrets=["crm_token", "signing"])
    found = definition_faults(
        definition(headers={"Authorization": {"secret": "crm_tokne"}}, secret={"secret": "sining"}), rules
    )

    assert [
        ("/executor/headers/Authorization/secret", "unknown_secret", ("crm_token",)),
        ("/executor/secret/secret", "unknown_secret", ("signing",)),
    ] == [(fault.path, fault.code, fault.allowed) for fault in found]


def test_placeholders_stand_in_path_and_query_and_are_known():
    def polling(url):
        return faults(completion="poll", poll={"url": url})

    assert [] == polling("https://api.example.com/{entity_id}?k={idempotency_key}")
    assert [("/executor/poll/url", "unknown_placeholder")] == polling("https://api.example.com/{entity}")
    assert [("/executor/poll/url", "invalid_url")] == polling("https://{entity_id}.example.com/")


def test_the_poll_url_obeys_the_same_rules():
    rules = DefinitionRules(allowed_hosts=["api.example.com"])

    assert [("/executor/poll/url", "host_not_allowed")] == faults(
        rules, completion="poll", poll={"url": "https://other.example.com/{entity_id}"}
    )


def command(**keys):
    body = {"name": "x", "executor": {"type": "command", "argv": ["true"], **keys}}
    return WorkflowDefinition.model_validate(body)


def command_faults(rules=ANYTHING, **keys):
    return [(fault.path, fault.code) for fault in definition_faults(command(**keys), rules)]


def test_a_whole_command_is_accepted_and_survives_being_stored():
    whole = command(argv=["/opt/classify", "--fast"], env={"A": "b", "TOKEN": {"secret": "token"}}, cwd="/opt")

    assert [] == definition_faults(whole, DefinitionRules(secrets=["token"]))
    assert whole == WorkflowDefinition.model_validate(whole.plain())
    assert {("env", "TOKEN"): "token"} == whole.executor.secret_references()


@pytest.mark.parametrize(
    ("types", "faults"),
    [(None, []), (["http"], [("/executor/type", "executor_not_allowed")]), (["http", "command"], [])],
)
def test_commands_may_be_defined_where_that_is_allowed(types, faults):
    assert faults == command_faults(DefinitionRules(executor_types=types))


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"argv": [""]}, ("/executor/argv/0", "empty")),
        ({"argv": ["a", "b\0"]}, ("/executor/argv/1", "invalid_text")),
        ({"env": {"A": "b\0"}}, ("/executor/env/A", "invalid_text")),
        ({"env": {"A=B": "c"}}, ("/executor/env/A=B", "invalid_variable")),
        ({"env": {"1A": "c"}}, ("/executor/env/1A", "invalid_variable")),
        ({"env": {"BACKFILLD_ATTEMPT": "1"}}, ("/executor/env/BACKFILLD_ATTEMPT", "reserved_variable")),
        ({"env": {"A": {"secret": "tokne"}}}, ("/executor/env/A/secret", "unknown_secret")),
        ({"cwd": "here"}, ("/executor/cwd", "invalid_path")),
        ({"cwd": "/a\0"}, ("/executor/cwd", "invalid_text")),
    ],
)
def test_a_command_that_cannot_be_run_is_a_fault(keys, fault):
    assert [fault] == command_faults(DefinitionRules(secrets=["token"]), **keys)


@pytest.mark.parametrize("keys", [{"argv": []}, {"argv": "true"}, {"argv": [1]}, {"env": {"A": 1}}, {"shell": True}])
def test_a_command_of_another_shape_is_refused(keys):
    with pytest.raises(ValidationError):
        command(**keys)


def test_a_type_that_may_not_be_defined_here_is_a_fault():
    assert [("/executor/type", "executor_not_allowed")] == faults(DefinitionRules(executor_types=[]))


def test_what_is_wrong_with_a_schedule_is_told_where_it_stands():
    body = {"name": "x", "executor": {"type": "http", "url": "http://a"}, "schedule": {"daily>": "07:00", "stat": "x"}}
    found = definition_faults(WorkflowDefinition.model_validate(body), ANYTHING)

    assert {"/schedule/daily>": "invalid_schedule", "/schedule/stat": "unknown_field"} == {
        fault.path: fault.code for fault in found
    }


def test_all_faults_come_at_once():
    found = faults(
        DefinitionRules(secrets=[]),
        url="ftp://a",
        headers={"Host": "x", "Cookie": "y"},
        secret={"secret": "z"},
    )

    assert ["invalid_url", "reserved_header", "literal_secret", "unknown_secret"] == [code for _, code in found]


def test_every_secret_that_is_named_can_be_listed():
    executor = definition(headers={"Authorization": {"secret": "a"}, "X": "y"}, secret={"secret": "b"}).executor

    assert isinstance(executor, HttpExecutor)
    assert {("headers", "Authorization"): "a", ("secret",): "b"} == executor.secret_references()
