"""What may be written of Temporal, in the file and in a workflow, and what is told where it cannot be."""

from pathlib import Path

import pytest

from backfilld.app.engines.temporal import temporal_engine, terms_of
from backfilld.clock import SystemClock
from backfilld.config import ConfigError
from backfilld.config.loading import load_settings
from backfilld.executors import definition_rules
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.terms import TlsTerms

ENGINE = '[engines.main]\ntype = "temporal"\naddress = "temporal.example.com:7233"\n'
WORKFLOW = {
    "name": "enrich",
    "executor": {"type": "temporal", "engine": "main", "task_queue": "enrich", "workflow_type": "Enrich"},
}
SECRETS = "".join(f'[secrets.{name}]\nvalue = "{name}-value"\n' for name in ("key", "cert", "cert_key"))


def loaded(tmp_path: Path, text: str):
    file = tmp_path / "backfilld.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return load_settings(file, environ={})


FAULTS = [
    (
        '[engines.main]\ntype = "temporal"\naddress = "temporal.example.com"\n',
        "engines.main.address: must be host:port",
    ),
    ('[engines.main]\ntype = "temporal"\naddress = "https://x:1"\n', "engines.main.address: must be host:port"),
    (ENGINE + "spead = 1\n", "engines.main.spead"),
    (ENGINE + 'api_key = { secret = "kex" }\n' + SECRETS, "there is no secret 'kex'; did you mean 'key'?"),
    (ENGINE + 'tls = { certificate = { secret = "cert" } }\n' + SECRETS, "`certificate` and `key` need each other"),
    (ENGINE + 'tls = false\napi_key = { secret = "key" }\n' + SECRETS, "an API key is sent over TLS only"),
    (ENGINE + "limits = { starts_per_second = 0 }\n", "engines.main.limits.starts_per_second"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS, ids=[told for _, told in FAULTS])
def test_a_fault_in_the_file_is_told_with_its_place(tmp_path, text, told):
    with pytest.raises(ConfigError) as found:
        loaded(tmp_path, text)

    assert told in "\n".join(map(str, found.value.faults))


def test_tls_of_every_kind_reaches_the_connection(tmp_path):
    (tmp_path / "ca.pem").write_text("PEM")
    words = 'tls = { ca_file = "ca.pem", certificate = { secret = "cert" }, key = { secret = "cert_key" }, server_name = "x" }\n'  # noqa: E501
    cases = {
        ENGINE: (None, None),
        ENGINE + "tls = true\n": (TlsTerms(), None),
        ENGINE + 'api_key = { secret = "key" }\n' + SECRETS: (None, "key"),
        ENGINE + words + SECRETS: (TlsTerms(b"PEM", "cert", "cert_key", "x"), None),
    }
    for text, expected in cases.items():
        terms = terms_of(loaded(tmp_path, text).engines["main"])

        assert expected == (terms.tls, terms.api_key)


def config_of(tmp_path, text):
    engine = temporal_engine(
        "main",
        loaded(tmp_path, text).engines["main"],
        SecretStore({"key": "abc", "cert": "-----BEGIN\nMIIB\n-----END", "cert_key": "K"}),
        SystemClock(),
        lambda *_: None,
    )
    return engine.connection._config()


def test_what_lets_us_in_is_read_from_the_secrets(tmp_path):
    by_key = config_of(tmp_path, ENGINE + 'api_key = { secret = "key" }\n' + SECRETS)
    tls = 'tls = { certificate = { secret = "cert" }, key = { secret = "cert_key" } }\n'
    by_certificate = config_of(tmp_path, ENGINE + tls + SECRETS)
    plain = config_of(tmp_path, ENGINE)

    assert ("abc", True) == (by_key.api_key, by_key.tls)
    assert (b"-----BEGIN\nMIIB\n-----END\n", b"K\n") == (
        by_certificate.tls.client_cert,
        by_certificate.tls.client_private_key,
    )
    assert (None, False) == (plain.api_key, plain.tls)


DEFINITIONS = [
    ({"engine": "mian"}, "/executor/engine", "unknown_engine"),
    ({"engine": "wf"}, "/executor/engine", "unknown_engine"),
]


@pytest.mark.parametrize(("changes", "path", "code"), DEFINITIONS)
def test_a_workflow_names_an_engine_of_its_kind(changes, path, code):
    definition = WorkflowDefinition.model_validate(WORKFLOW | {"executor": WORKFLOW["executor"] | changes})
    rules = DefinitionRules(engines={"main": "temporal", "wf": "digdag"})

    assert [(path, code)] == [(fault.path, fault.code) for fault in definition_faults(definition, rules)]


@pytest.mark.parametrize(
    ("seconds", "executor", "faults"),
    [
        (86_400, {"type": "http", "url": "http://x/"}, []),
        (86_401, {"type": "http", "url": "http://x/"}, [("/timeout_seconds", "out_of_range")]),
        (86_401, {"type": "command", "argv": ["x"]}, [("/timeout_seconds", "out_of_range")]),
        (30 * 86_400, WORKFLOW["executor"], []),
    ],
)
def test_what_runs_on_an_engine_may_take_thirty_days_and_nothing_else_more_than_one(seconds, executor, faults):
    definition = WorkflowDefinition.model_validate(
        {"name": "x", "timeout_seconds": float(seconds), "executor": executor}
    )
    found = definition_faults(definition, DefinitionRules(engines={"main": "temporal"}))

    assert faults == [(fault.path, fault.code) for fault in found]


@pytest.mark.parametrize("key", ["task_queue", "workflow_type"])
@pytest.mark.parametrize("value", ["", "a\nb", "x" * 1001])
def test_names_that_no_server_takes_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        WorkflowDefinition.model_validate(WORKFLOW | {"executor": WORKFLOW["executor"] | {key: value}})


async def test_a_missing_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(definition_rules, "is_installed", lambda: False)
    monkeypatch.setattr("backfilld.app.engines.temporal.is_installed", lambda: False)
    definition = WorkflowDefinition.model_validate(WORKFLOW)
    faults = definition_faults(definition, DefinitionRules(engines={"main": "temporal"}))
    known = loaded(tmp_path, ENGINE).engines["main"]
    engine = temporal_engine("main", known, SecretStore(), SystemClock(), lambda *_: None)
    registry = ExecutorRegistry(ExecutorOptions(engines={"main": engine}), SystemClock(), SecretStore())
    verdict = await registry.for_revision(1, WORKFLOW).execute(None, None)
    report = await engine.test()

    assert [("/executor/type", "executor_not_available")] == [(fault.path, fault.code) for fault in faults]
    for text in (faults[0].message, verdict.error, report.problem):
        assert "pip install 'backfilld[temporal]'" in text
    assert ("refused", "executor_not_available") == (verdict.kind, verdict.error_class)
