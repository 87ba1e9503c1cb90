"""For whom a secret is, and where it may be sent."""

import pytest
from tests.support.clock import FakeClock
from tests.support.executing import FreePermit, work

from backfilld.config import ConfigError, load_settings
from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.registry import ExecutorOptions, ExecutorRegistry
from backfilld.executors.secret_use import SecretUse
from backfilld.executors.secrets import SecretStore

ELSEWHERE = "https://attacker.example/"
CRM = "https://crm.example.com:8443/do"
USES = {
    "open": SecretUse(),
    "crm": SecretUse(hosts=("crm.example.com:8443", "*.crm.example.com")),
    "mine": SecretUse(used_by=("classify", "sales/report", "night/*")),
    "nobody": SecretUse(used_by=()),
    "nowhere": SecretUse(hosts=()),
    "crm_dsn": SecretUse(kept_for="the source of 'ticket'"),
}
RULES = DefinitionRules(secrets=tuple(USES), secret_uses=USES)
WHERE = {
    "header": lambda name: {"headers": {"X-Got": {"secret": name}}},
    "signature": lambda name: {"secret": {"secret": name}},
}


def faults(executor, *, name="classify", project="default"):
    document = {"name": name, "project": project, "executor": executor}
    found = definition_faults(WorkflowDefinition.model_validate(document), RULES)
    return [(fault.path, fault.code) for fault in found]


def http(url, secret, where="header", **more):
    return {"type": "http", "url": url, **WHERE[where](secret), **more}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    ("secret", "url", "allowed"),
    [
        ("open", ELSEWHERE, True),
        ("crm", CRM, True),
        ("crm", CRM + "/${session_date}", True),
        ("crm", "https://eu.crm.example.com/", True),
        ("crm", ELSEWHERE, False),
        ("crm", "https://crm.example.com/", False),
        ("crm", "https://crm.example.com.attacker.example:8443/", False),
        ("crm", "https://attackercrm.example.com/", False),
        ("nowhere", CRM, False),
        ("nobody", CRM, False),
        ("crm_dsn", CRM, False),
    ],
)
def test_a_secret_is_sent_to_its_hosts_alone(where, secret, url, allowed):
    path = {"header": "/executor/headers/X-Got/secret", "signature": "/executor/secret/secret"}[where]

    assert ([] if allowed else [(path, "secret_not_allowed")]) == faults(http(url, secret, where))


def test_the_place_that_is_asked_whether_it_is_done_gets_the_secret_too():
    poll = {"completion": "poll", "poll": {"url": ELSEWHERE + "{entity_id}"}}

    assert [("/executor/headers/X-Got/secret", "secret_not_allowed")] == faults(http(CRM, "crm", **poll))


@pytest.mark.parametrize(
    ("project", "name", "allowed"),
    [
        ("default", "classify", True),
        ("sales", "report", True),
        ("night", "anything", True),
        ("sales", "classify", False),
        ("default", "report", False),
        ("default", "sales/report", False),
        ("night/x", "y", False),
    ],
)
def test_a_secret_is_named_by_its_workflows_alone(project, name, allowed):
    expected = [] if allowed else [("/executor/headers/X-Got/secret", "secret_not_allowed")]

    assert expected == faults(http(CRM, "mine"), name=name, project=project)


@pytest.mark.parametrize(("secret", "allowed"), [("open", True), ("mine", True), ("crm", False), ("crm_dsn", False)])
def test_a_program_gets_no_secret_that_is_for_hosts_or_for_a_source(secret, allowed):
    expected = [] if allowed else [("/executor/env/T/secret", "secret_not_allowed")]

    assert expected == faults({"type": "command", "argv": ["x"], "env": {"T": {"secret": secret}}})


def test_a_secret_that_opens_a_source_is_not_even_suggested():
    (fault,) = definition_faults(
        WorkflowDefinition.model_validate({"name": "a", "executor": http(CRM, "crm_dns")}), RULES
    )

    assert "crm_dsn" not in (*fault.allowed, fault.message)


async def test_what_was_stored_before_the_file_became_stricter_holds_and_sends_nothing():
    registry = ExecutorRegistry(ExecutorOptions(), FakeClock(), SecretStore({"crm": "x"}))
    definition = {"name": "classify", "executor": http("http://127.0.0.1:1/", "crm")}
    before = await registry.for_revision(1, definition).execute(work(), FreePermit())
    registry.reload({"crm": "x"}, ExecutorOptions(secret_uses=USES))
    after = await registry.for_revision(1, definition).execute(work(), FreePermit())

    assert "connect_failed" == before.error_class
    assert (VerdictKind.REFUSED, "secret_not_allowed") == (after.kind, after.error_class)


FILE = """
[secrets.crm_dsn]
value = "postgresql://reader@crm/x"
[secrets.token]
value = "tiger"
hosts = ["crm.example.com"]
used_by = ["classify"]
[secrets.own]
file = "own"
[database]
dsn_file = "own"
[entity_types.ticket]
source = "sql"
[entity_types.ticket.sql]
dsn = { secret = "crm_dsn" }
query = "SELECT 1 AS id"
[[workflows]]
name = "NAME"
executor = { type = "http", url = "URL", headers = { X = { secret = "SECRET" } } }
"""


@pytest.mark.parametrize(
    ("name", "url", "secret", "told"),
    [
        ("classify", "http://crm.example.com/", "token", None),
        ("other", "http://crm.example.com/", "token", "used_by does not name the workflow 'other'"),
        ("classify", ELSEWHERE, "token", "'attacker.example' is not among secrets.token.hosts"),
        ("classify", ELSEWHERE, "crm_dsn", "is kept for the source of 'ticket'"),
        ("classify", ELSEWHERE, "own", "is kept for the database"),
    ],
)
def test_the_file_says_for_whom_a_secret_is_and_is_held_to_it(tmp_path, name, url, secret, told):
    (tmp_path / "own").write_text("postgresql://u@h/d")
    file = tmp_path / "c.toml"
    file.touch(mode=0o600)
    file.write_text(FILE.replace("NAME", name).replace("URL", url).replace("SECRET", secret))
    if told is None:
        uses = load_settings(file, {}).secret_uses()

        assert SecretUse(("crm.example.com",), ("classify",)) == uses["token"]
        assert ["crm_dsn", "own"] == sorted(name for name, use in uses.items() if use.kept_for)
    else:
        with pytest.raises(ConfigError, match=told):
            load_settings(file, {})
