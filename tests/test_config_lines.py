"""A fault of the configuration names its line, and says what was meant in the words of whoever wrote it."""

import tomllib

import pytest

from backfilld.config import check
from backfilld.config.toml_lines import lines_of

FILE = '''\
[server]
port = 1            # the port
host = """
a
b"""

[entity_types.ticket.sql]
query = "x"
dsn.secret = "crm"

[[workflows]]
name = "a"
executor = { type = "http", headers = { X = "1" } }
tags = [
  "one",

  # between
  "two",
]
[[workflows]]
name = "b"
[workflows.executor]
type = "echo"
'''


def faults_of(tmp_path, text):
    file = tmp_path / "c.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return [fault.removeprefix(f"{tmp_path}/") for fault in check(file, {})]


def test_every_key_has_the_line_that_it_begins_on():
    assert {
        "server": 1, "server.port": 2, "server.host": 3,
        "entity_types": 7, "entity_types.ticket": 7, "entity_types.ticket.sql": 7, "entity_types.ticket.sql.query": 8,
        "entity_types.ticket.sql.dsn": 9, "entity_types.ticket.sql.dsn.secret": 9,
        "workflows": 11, "workflows[0]": 11, "workflows[0].name": 12, "workflows[0].executor": 13,
        "workflows[0].executor.type": 13, "workflows[0].executor.headers": 13, "workflows[0].executor.headers.X": 13,
        "workflows[0].tags": 14, "workflows[0].tags[0]": 14, "workflows[0].tags[1]": 14,
        "workflows[1]": 20, "workflows[1].name": 21, "workflows[1].executor": 22, "workflows[1].executor.type": 23,
    } == lines_of(FILE)  # fmt: skip


def test_whatever_toml_allows_keeps_the_lines_right():
    text = (
        '[a."b.c" ] # one\r\n"x y" = "[z]\u2028" # two\r\n[[ d ]] # three\n'
        "e = [ # four\n  [1], # ]\n  [2]\n]\n"
        "f = '''\n[g]\nh = 1\n'''\n[[d.k]]\nl = { m.n = 1 }\n"
    )
    tomllib.loads(text)
    found = lines_of(text)
    keys = ("a", "a.b.c.x y", "d[0]", "d[0].e", "d[0].f", "d[0].k[0]", "d[0].k[0].l.m.n")

    assert (1, 2, 3, 4, 8, 12, 13) == tuple(found[key] for key in keys)
    assert not {"g", "h", "d[0].h"} & found.keys()


def test_a_value_that_goes_on_and_on_costs_no_more_than_the_lines_behind_it():
    value = "\n".join(f"[{number}]" for number in range(100_000))

    assert {"a": 1, "a.b": 2} == lines_of(f"[a]\nb = 1\nc = '''\n{value}\n'''\nd = 1\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\n# the port\nport = 0.5\n", "c.toml:3: server.port: "),
        ('[[workflows]]\nname = "a"\n', "c.toml:1: workflows[0].executor: is required"),
        (
            '[[workflows]]\nname = "a"\nexecutor = { type = "http" }\n',
            "c.toml:3: workflows[0].executor.url: is required",
        ),
        ('\n[server]\nhost = "0.0.0.0"\n', "c.toml:2: server: others could reach"),
        ('\n\n[secrets.x]\nfile = "missing"', "c.toml:4: secrets.x.file: "),
        ('[server]\n"x]" = 1\n', "c.toml:2: server.x]: unknown key"),
        ('[server.x]\n"a]" = 1\n', "c.toml:1: server.x: unknown key"),
        ('[database]\nmode = "external"\n', "c.toml:1: database: mode is 'external'"),
    ],
)
def test_a_fault_names_its_line_or_that_of_the_table_that_lacks_something(tmp_path, text, expected):
    (fault,) = faults_of(tmp_path, text)

    assert fault.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[workflows.a]\nexecutor = { type = "echo" }', "c.toml:1: workflows: each workflow is an entry of"),
        ('[workflows]\nname = "a"', "c.toml:1: workflows: each workflow is an entry of a list: write [[workflows]]"),
        ("[[server]]\nport = 1", "c.toml:1: server: write [server], in single brackets"),
        ('[[secrets]]\nname = "x"', "c.toml:1: secrets: write [secrets.NAME] for each, in single brackets"),
        ("[[entity_types]]", "c.toml:1: entity_types: write [entity_types.NAME] for each, in single brackets"),
        ('[secrets]\ncrm = "tiger"', "c.toml:2: secrets.crm: must be a table of keys and values: [secrets.crm]"),
        ('[executors]\nallowed_hosts = "a"', 'c.toml:2: executors.allowed_hosts: must be a list, as in ["a", "b"]'),
        ('[[workflows]]\nname = "a"\nexecutor = "echo"', "c.toml:3: workflows[0].executor: must be a table of keys"),
        ("server = 5", "c.toml:1: server: must be a table of keys and values: [server]"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_answered_with_the_right_one(tmp_path, text, expected):
    (fault,) = faults_of(tmp_path, text)

    assert fault.startswith(expected)
    assert "tiger" not in fault


NO_TOML = {
    "[server\nport = 1": "c.toml:1: a heading is [section], or [[workflows]]",
    "[server]]\nport = 1": "c.toml:1: a heading is [section], or [[workflows]]",
    "[database]\ndsn = postgresql://u:tiger@h/x": 'c.toml:2: text stands between quotation marks: dsn = "…"',
    "[server]\nhost = “tiger”": "c.toml:2: these quotation marks are a word processor's",
    '[secrets.a]\nvalue = "tiger': "c.toml:2: the quotation mark is not closed",
    "[secrets.a]\nvalue = 'tiger\"\n": "c.toml:2: the quotation mark is not closed",
    '[secrets.a]\nfile = "C:\\Users\\tiger"': "c.toml:2: a backslash between double quotation marks is an escape",
    "[server]\nhost: tiger": "c.toml:2: a key and its value are joined by =, as in `host = …`",
    "[server]\nport 1": "c.toml:2: a key and its value are joined by =, as in `port = …`",
    "[server]\nport =\n": "c.toml:2: there is no value behind `port =`",
    "[server]\nport = 08642\n": "c.toml:2: a number has no zero in front",
    "[server]\nmax_body_bytes = 1,000\n": "c.toml:2: a number has no comma",
    "[engine]\nramp_seconds = 30s\n": "c.toml:2: a number has no unit",
    "[metrics]\npublic = True\n": "c.toml:2: write true or false, in small letters",
    "[metrics]\npublic = yes\n": "c.toml:2: write true or false, in small letters",
    "[server]\npublic_url = None\n": "c.toml:2: TOML has no such value: leave the line out",
    "[server]\nport = 1\n[logging]\n[server]\n": "c.toml:4: [server] stands twice, before on line 1",
    "[metrics]\nport = 1\n[server]\nport = 1\nport = 2\n": "c.toml:5: port stands twice, before on line 4",
    "workflows = []\n[[workflows]]\n": "c.toml:2: is written inline and as a heading; do one",
    "a = { b = 1,\n  c = 2 }": "c.toml:1: { … } stands on one line",
    "; the server\n[server]": "c.toml:1: a comment begins with #",
    "// the server\n[server]": "c.toml:1: a comment begins with #",
    '{"server": {"port": 1}}': "c.toml:1: is not TOML but JSON",
    "---\nserver:\n  port: 1": "c.toml:1: is not TOML but JSON, YAML",
    "server:\n  port: 1": "c.toml:1: ",
}


@pytest.mark.parametrize("text", NO_TOML)
def test_what_is_no_toml_is_answered_with_what_to_write(tmp_path, text):
    (fault,) = faults_of(tmp_path, text)

    assert fault.startswith(NO_TOML[text])
    assert "tiger" not in fault


def test_a_mark_of_the_byte_order_is_no_fault_and_another_encoding_is(tmp_path):
    assert [] == faults_of(tmp_path, b"\xef\xbb\xbf[server]\nport = 1\n")
    assert ["c.toml: is not UTF-8 (at byte 0): save it as UTF-8"] == faults_of(tmp_path, "[server]".encode("utf-16"))
