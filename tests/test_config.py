"""Settings come from a file, credentials and the environment, and every fault is told at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from backfilld.config import ConfigError, Settings, check, load_settings

SQL = 'dsn = { secret = "crm" }\nquery = "SELECT * FROM tickets"'
SQL_TICKET = """
[secrets.crm]
value = "postgresql://u:tiger@h/x"
[entity_types.ticket]
source = "sql"
[entity_types.ticket.sql]
"""
HTTP = 'executor = { type = "http", url = "https://api.example.com/x" }'


@pytest.fixture
def written(tmp_path):
    """Write a configuration file and return its path."""

    def write(text: str) -> Path:
        file = tmp_path / "c.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    return write


def faults_of(file, environ=None):
    """What is wrong, without the folder in front of the file's name."""
    return [line.replace(f"{file.parent}/", "") for line in check(file, environ or {})]


def test_without_any_file_everything_has_a_default():
    settings = load_settings(None, {})

    assert "127.0.0.1" == settings.server.host
    assert 8642 == settings.server.port
    assert settings.database.is_embedded


def test_the_environment_wins_over_credentials_and_these_over_the_file(written, tmp_path):
    file = written("[server]\nport = 1\nrate_limit_per_minute = 1\nmax_body_bytes = 2000")
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "server.port").write_text("2\n")
    (folder / "server.rate_limit_per_minute").write_text("2\n")
    settings = load_settings(file, {"CREDENTIALS_DIRECTORY": str(folder), "BACKFILLD_SERVER__PORT": "3"})

    assert (3, 2, 2000) == (
        settings.server.port,
        settings.server.rate_limit_per_minute,
        settings.server.max_body_bytes,
    )


def test_a_variable_is_read_as_its_setting_is_written(written):
    environ = {
        "BACKFILLD_METRICS__PUBLIC": "true",
        "BACKFILLD_ENGINE__RAMP_SECONDS": "0.5",
        "BACKFILLD_EXECUTORS__ALLOWED_HOSTS": '["a.example.com", "b.example.com"]',
        "BACKFILLD_AUTH__KEY_ENVIRONMENT": "1234",
        "BACKFILLD_SECRETS__CRM__VALUE": "tiger",
    }
    settings = load_settings(None, environ)

    assert settings.metrics.public
    assert 0.5 == settings.engine.ramp_seconds
    assert ("a.example.com", "b.example.com") == settings.executors.allowed_hosts
    assert "1234" == settings.auth.key_environment
    assert "tiger" == settings.secrets["crm"].read()


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x"}, "/x/backfilld"),
        ({"BACKFILLD_STATE__DIRECTORY": "/y", "STATE_DIRECTORY": "/x"}, "/y"),
    ],
)
def test_the_state_directory_is_where_the_machine_wants_it(environ, folder):
    assert Path(folder) == load_settings(None, environ).state.directory


def test_the_state_directory_of_last_resort_is_in_the_home():
    assert Path("~/.local/state/backfilld").expanduser() == load_settings(None, {}).state.directory


def test_a_credential_named_dsn_is_the_database(tmp_path):
    (tmp_path / "dsn").write_text("postgresql://u:tiger@db/x\n")
    settings = load_settings(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert not settings.database.is_embedded
    assert "postgresql://u:tiger@db/x" == settings.database.read_dsn()


def test_a_dsn_from_the_environment_replaces_the_dsn_file_of_the_file(written):
    file = written('[database]\ndsn_file = "missing"')
    settings = load_settings(file, {"BACKFILLD_DATABASE__DSN": "postgresql://elsewhere/x"})

    assert "postgresql://elsewhere/x" == settings.database.read_dsn()


def test_any_other_credential_is_a_secret(tmp_path):
    (tmp_path / "crm_token").write_text("tiger\n")
    (tmp_path / "somebody.else").write_text("x")
    settings = load_settings(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert ["crm_token"] == list(settings.secrets)
    assert "tiger" == settings.secrets["crm_token"].read()


def test_relative_paths_start_at_the_folder_of_the_file(written, tmp_path):
    (tmp_path / "token").write_text("tiger")
    settings = load_settings(written('[secrets.crm]\nfile = "token"'), {})

    assert "tiger" == settings.secrets["crm"].read()


def test_all_faults_are_told_at_once_with_file_key_and_the_nearest_right_name(written):
    file = written(
        'port = 3\n[server]\nprot = 1\nport = 70000\nmax_body_bytes = "many"\n[databse]\nx = 1\n'
        '[engine]\ncount_timeout_seconds = -1\n[logging]\nlevel = "warn"\n'
    )

    assert [
        "c.toml:4: server.port: must be less than or equal to 65535 (got 70000)",
        "c.toml:5: server.max_body_bytes: must be a valid integer (got 'many')",
        "c.toml:3: server.prot: unknown key; did you mean 'port'?",
        "c.toml:9: engine.count_timeout_seconds: must be greater than 0 (got -1)",
        "c.toml:11: logging.level: must be one of debug, info, warning, error (got 'warn'); did you mean 'warning'?",
        "c.toml:1: port: unknown key; it belongs into [server]",
        "c.toml:6: databse: unknown key; did you mean 'database'?",
    ] == faults_of(file)


def test_a_variable_that_is_no_setting_is_not_ignored():
    environ = {"BACKFILLD_DATABSE__DSN": "x", "BACKFILLD_SERVER__PROT": "1", "BACKFILLD_SERVER_PORT": "1"}

    assert [
        "BACKFILLD_DATABSE__DSN: databse.dsn: unknown section; did you mean 'database'?",
        "BACKFILLD_SERVER_PORT: is not a setting; did you mean BACKFILLD_SERVER__PORT?",
        "BACKFILLD_SERVER__PROT: server.prot: unknown key; did you mean 'port'?",
    ] == sorted(check(None, environ))


def test_variables_for_other_ends_are_left_alone():
    assert [] == check(None, {"BACKFILLD_PG_BIN": "/x", "BACKFILLD_URL": "x", "BACKFILLD_API_KEY": "x", "HOME": "/"})


def test_a_wrong_value_from_a_variable_names_the_variable():
    assert ["BACKFILLD_SERVER__PORT: server.port: must be a valid integer (got 'abc')"] == check(
        None, {"BACKFILLD_SERVER__PORT": "abc"}
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[entity_types.tickt]", "did you mean 'ticket'?"),
        ('[entity_types.ticket]\nfields = { a = "int" }', "did you mean 'integer'?"),
        ('[database]\nmode = "external"', "mode is 'external', but there is no DSN"),
        ('[database]\nmode = "embedded"\ndsn = "postgresql://x/y"', "mode is 'embedded', but there is a DSN"),
        ('[database]\ndsn = "mysql://u:tiger@x/y"', "must be a URL that starts with postgresql://"),
        ('[database]\ndsn_file = "missing"', "missing cannot be read: No such file or directory"),
        ('[secrets.x]\nfile = "missing"', "secrets.x.file"),
        ("[secrets.x]", "must have either file or value"),
        ('[entity_types.ticket]\nsource = "sql"', "there is no [entity_types.….sql] that says which query"),
        (SQL_TICKET.replace('source = "sql"', "") + SQL, "source is not 'sql'"),
        (f'{SQL_TICKET}{SQL}\ntimezone = "Europe/Berln"', "did you mean 'Europe/Berlin'?"),
        (SQL_TICKET + SQL.replace("crm", "crn"), "sql.dsn.secret: there is no secret 'crn'; did you mean 'crm'?"),
        (SQL_TICKET + SQL.replace("tickets", "tickets; "), "without a semicolon"),
        (SQL_TICKET + 'dsn = "postgresql://u:tiger@h/x"\nquery = "SELECT 1 AS id"', "entity_types.ticket.sql.dsn"),
        ('[auth]\nkey_environment = "Live!"', "auth.key_environment"),
        ("[engine]\nmax_in_flight_total = 5", "live_reserve must be smaller"),
        (f'[[workflows]]\nname = "a"\n{HTTP}\n[[workflows]]\nname = "a"\n{HTTP}', "has a workflow 'a' already"),
        (f'[[workflows]]\nname = "a"\ntimezone = "Europe/Berln"\n{HTTP}', "did you mean 'Europe/Berlin'?"),
        (
            '[[workflows]]\nname = "a"\nexecutor = { type = "http", url = "ftp://x" }',
            "workflows[0].executor.url: must begin with http://",
        ),
        (
            '[[workflows]]\nname = "a"\nexecutor = { type = "http", url = "http://u:tiger@x/" }',
            "must not carry a user or password",
        ),
        (
            '[secrets.crm]\nvalue = "tiger"\n[[workflows]]\nname = "a"\n'
            'executor = { type = "http", url = "http://x", headers = { X = { secret = "crn" } } }',
            "workflows[0].executor.headers.X.secret: there is no secret 'crn'; did you mean 'crm'?",
        ),
        (
            '[[workflows]]\nname = "a"\nexecutor.type = "http"\nexecutor.url = "http://x"\n'
            'executor.headers = { Authorization = "tiger" }',
            "the value of 'Authorization' is a secret",
        ),
        (
            '[[workflows]]\nname = "a"\nexecutor = { type = "http", url = "http://x", poll = {} }',
            "`poll` needs `completion` to be 'poll'",
        ),
        ('[entity_types.ticket]\nlists = { udf = "name" }', "joined by an underscore"),
        ('[entity_types.ticket]\nlists = { "a..b" = "name_value" }', "before and after each dot"),
        ('[entity_types.ticket]\nindexes = ["a..b"]', "before and after each dot"),
        ('[entity_types.ticket]\nindexes = "status"', "entity_types.ticket.indexes"),
        (
            '[entity_types.ticket]\nindexes = [{ field = "status" }]',
            "entity_types.ticket.indexes[0]: must be a valid string",
        ),
        ('[entity_types.ticket]\nindexes = ["status", "id", "status"]', "'status' stands there twice"),
        ('[entity_types.ticket]\nindexes = ["a", "b", "c", "d", "e", "f", "g", "h", "i"]', "at most 8"),
        (SQL_TICKET.replace("source", 'indexes = ["status"]\nsource') + SQL, "made in our own entity table"),
    ],
)
def test_nonsense_is_refused(written, text, fault):
    faults = faults_of(written(text))

    assert 1 == len(faults), faults
    assert fault in faults[0]
    assert "tiger" not in faults[0]


def test_a_type_may_be_listed_by_a_query(written):
    settings = load_settings(written(f'{SQL_TICKET}{SQL}\nkey = "number"'), {})
    known = settings.entity_types["ticket"]

    assert ("sql", "crm", "SELECT * FROM tickets", "number") == (
        known.source, known.sql.dsn.secret, known.sql.query, known.sql.key
    )  # fmt: skip


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    assert [f"{tmp_path}/none.toml: cannot be read: No such file or directory"] == check(tmp_path / "none.toml", {})


def test_no_fault_and_no_print_shows_a_secret(written):
    file = written('[database]\ndsn = "postgresql://u:tiger@h:99999999/x"\n[secrets.a]\nvalue = 5\n')
    environ = {"BACKFILLD_SECRETS__B__VALUE": "tiger"}

    assert "tiger" not in "".join(check(file, environ))
    assert "tiger" not in repr(load_settings(None, environ))


def test_a_workflow_is_handed_on_as_the_api_would_have_been_sent_it(written):
    settings = load_settings(written(f'[[workflows]]\nname = "a"\nmax_attempts = 5\n{HTTP}'), {})

    assert {
        "name": "a",
        "max_attempts": 5,
        "executor": {"type": "http", "url": "https://api.example.com/x"},
    } == settings.workflows[0].definition()


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_settings(None, {}).server.port = 1


def test_the_error_itself_names_every_fault():
    with pytest.raises(ConfigError, match=r"(?s)PORT.*HOST|HOST.*PORT"):
        load_settings(None, {"BACKFILLD_SERVER__PORT": "x", "BACKFILLD_SERVER__HOST": ""})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("db.example.com", False)],
)
def test_it_is_known_whether_only_this_machine_can_reach_the_server(host, loopback):
    server = {"host": host, "trusted_proxies": ["10.0.3.7"]}

    assert loopback == Settings.model_validate({"server": server}).server.is_loopback


def test_a_user_without_a_home_is_only_asked_for_a_state_directory():
    script = """
import pwd
def getpwuid(uid): raise KeyError(uid)  # as for a dynamic user of systemd
pwd.getpwuid = getpwuid
from backfilld.config import check, load_settings
print(load_settings(None, {"STATE_DIRECTORY": "/var/lib/b"}).state.directory, check(None, {}))
"""
    ended = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, text=True, check=True)

    assert ended.stdout.startswith("/var/lib/b [")
    assert "~/.local/state/backfilld starts with ~, and this user has no home directory" in ended.stdout


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_with_a_secret_in_it_is_for_nobody_else(written, mode, refused):
    file = written('[secrets.a]\nvalue = "tiger"\n')
    file.chmod(mode)
    advice = f"{file}:2: secrets.a.value: everybody may read {file}: `chmod o-r {file}`"

    assert refused is any(fault.startswith(advice) for fault in check(file, {}))


def test_a_file_without_a_secret_may_be_open_to_all(written):
    file = written("[server]\nport = 1\n")
    file.chmod(0o644)

    assert [] == check(file, {})


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
def test_a_file_that_the_dsn_names_is_looked_at(written, name, tmp_path):
    file = written(f'[database]\ndsn = "postgresql://u@h/d?{name}={tmp_path}/none.pem"\n')

    assert [f"{file}:2: database.dsn: {tmp_path}/none.pem cannot be read: No such file or directory"] == check(file, {})


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
def test_a_file_that_the_dsn_of_a_source_names_is_looked_at_too(written, name, tmp_path):
    text = SQL_TICKET.replace("tiger@h/x", f"tiger@h/x?{name}={tmp_path}/none.pem") + SQL
    (fault,) = faults_of(written(text))

    assert fault == "c.toml:3: secrets.crm.value: none.pem cannot be read: No such file or directory"


def test_a_secret_that_only_begins_like_a_dsn_is_nobodys_fault(written):
    assert [] == faults_of(written('[secrets.x]\nvalue = "postgresql://[tiger"\n'))


def test_a_store_of_the_system_is_refused_by_name(written):
    file = written('[database]\ndsn = "postgresql://u@h/d?sslmode=verify-full&sslrootcert=system"\n')
    (fault,) = check(file, {})

    assert "sslrootcert=system is not known here: name the file" in fault
