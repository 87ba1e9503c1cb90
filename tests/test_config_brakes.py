"""What `[brakes]` may say, and what is said of each fault."""

from pathlib import Path

import pytest

from backfilld.config import check, load_settings
from backfilld.domain.brakes.settings import Scope, Thresholds

SECRETS = """
[secrets.crm]
value = "postgresql://u:p@db/crm"
[secrets.token]
value = "t"
hosts = ["api.example.com"]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "c.toml"
    file.write_text(text + SECRETS)
    file.chmod(0o600)
    return file


SQL = '[brakes.lag]\ntype = "sql"\ndsn = { secret = "crm" }\nquery = "SELECT 1"\n'
PROM = '[brakes.lag]\ntype = "prometheus"\nurl = "http://prom:9090"\nquery = "up"\n'
HTTP = '[brakes.lag]\ntype = "http"\nurl = "http://status"\n'
FILE = '[brakes.lag]\ntype = "file"\npath = "freeze"\n'


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (None, SQL),
        (None, SQL + "hold_above = 10\nrelease_below = 5\ncritical_above = 120\n"),
        (None, PROM + "hold_below = 0.98\n"),
        (None, HTTP),
        (None, HTTP + 'value = "load.one"\nhold_above = 3\n'),
        (None, FILE),
        (None, HTTP.replace("//status", "//api.example.com") + 'headers = { Authorization = { secret = "token" } }\n'),
        ("brakes.lag.type: is required", '[brakes.lag]\npath = "freeze"\n'),
        ("brakes.lag.type: must be one of sql, prometheus, http, file (got 'htp'); did you mean 'http'?",
         FILE.replace('"file"', '"htp"')),
        ("type 'sql' needs 'dsn'; type 'sql' needs 'query'", '[brakes.lag]\ntype = "sql"\n'),
        ("'path' has no meaning for type 'sql'", SQL + 'path = "x"\n'),
        ("'hold_above' has no meaning for type 'file'", FILE + "hold_above = 1\n"),
        ("needs 'hold_above' or 'hold_below'", PROM),
        ("needs 'hold_above' or 'hold_below'", HTTP + 'value = "load"\n'),
        ("a threshold needs 'value'", HTTP + "hold_above = 1\n"),
        ("it can have one (make two brakes)", SQL + "hold_above = 1\nhold_below = 0\n"),
        ("'release_below' needs 'hold_above'", SQL + "release_below = 1\n"),
        ("'release_below' must not be beyond 'hold_above', or it would", SQL + "hold_above = 1\nrelease_below = 2\n"),
        ("'release_above' must not be beyond 'hold_below'", SQL + "hold_below = 2\nrelease_above = 1\n"),
        ("'critical_above' must be beyond 'hold_above'", SQL + "hold_above = 1\ncritical_above = 1\n"),
        ("brakes.lag.hold_above: must be a finite number", SQL + "hold_above = nan\n"),
        ("'query' must be one statement without a semicolon behind it", SQL.replace("SELECT 1", "SELECT 1;")),
        ("there is no secret 'crmm'; did you mean 'crm'?", SQL.replace('"crm"', '"crmm"')),
        ("brakes.lag.url: is link-local or a cloud's metadata service", HTTP.replace("//status", "//169.254.169.254")),
        ("brakes.lag.url: is link-local or a cloud's metadata service", HTTP.replace("//status", "//2852039166/x")),
        ("holds a secret: put it into [secrets]", HTTP + 'headers = { Authorization = "Bearer x" }\n'),
        ("'status' is not among secrets.token.hosts", HTTP + 'headers = { X = { secret = "token" } }\n'),
        ("nope.pem cannot be read", HTTP + 'ca_file = "nope.pem"\n'),
        ("brakes.lag.every_secnds: unknown key; did you mean 'every_seconds'?", FILE + "every_secnds = 1\n"),
        ("must be an origin", FILE + '[brakes.lag.applies_to]\ntargets = ["https://a.example/x"]\n'),
        ("must be 'name', 'project/name' or 'project/*'", FILE + '[brakes.lag.applies_to]\nworkflows = ["a/"]\n'),
        ("brakes.a b", FILE.replace("brakes.lag", 'brakes."a b"')),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_place(tmp_path: Path, expected: str | None, text: str):
    told = check(written(tmp_path, text), {})

    assert [] == told if expected is None else expected in "\n".join(told)


def test_the_dsn_of_a_brake_is_for_no_workflow(tmp_path: Path):
    workflow = """
[[workflows]]
name = "w"
[workflows.executor]
type = "http"
url = "https://api.example.com"
secret = "crm"
"""

    assert "kept for the brake 'lag'" in "\n".join(check(written(tmp_path, SQL + workflow), {}))


def test_it_is_read_as_the_engine_knows_it(tmp_path: Path):
    text = SQL + (
        'hold_above = 10\non_error = "go_on"\n[brakes.lag.applies_to]\nworkflows = ["enrich", "sales/*"]\n'
        'targets = ["https://CRM.example.com:443/"]\nlive = true\n'
    )
    brake = load_settings(written(tmp_path, text), {}).brakes["lag"].brake("lag")

    assert Thresholds(True, 10, 8, None) == brake.rules.thresholds
    assert "go_on" == brake.rules.on_error
    assert Scope(frozenset({"default/enrich", "sales/*"}), frozenset({"https://crm.example.com"}), True) == brake.scope
