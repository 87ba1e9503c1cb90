"""`backfilld entities import` sends what the file says, shows what it took it for, and sends nothing of a bad file."""

import orjson
import pytest
from tests.support.stub_daemon import Scripted

UPLOADED = Scripted(data={"inserted": 2, "updated": 0, "unchanged": 0})
PUT = ("PUT", "/public-api/entities/ticket")
CSV = "number,subject,priority,open,opened,site.floor\n7,Printer,1,true,2027-03-01,2\n8,,2,false,,\n"


@pytest.fixture
def tickets(tmp_path):
    file = tmp_path / "tickets.csv"
    file.write_text(CSV)
    return str(file)


async def test_a_csv_becomes_typed_entities(backfilld, daemon, tickets):
    daemon.script(*PUT, UPLOADED)
    ended = await backfilld("entities", "import", tickets, "--entity-type", "ticket", "--id-column", "number")
    first, second = [orjson.loads(line) for line in daemon.received[1].body.splitlines()]

    assert 0 == ended.code, ended.err
    assert ("7", "8") == (first["id"], second["id"])
    assert {"subject": "Printer", "priority": 1, "open": True, "opened": "2027-03-01"}.items() <= first[
        "attributes"
    ].items()
    assert second["attributes"]["subject"] is None


async def test_types_are_shown_and_sent_along(backfilld, daemon, tickets):
    daemon.script(*PUT, UPLOADED)
    ended = await backfilld(
        "entities", "import", tickets, "--entity-type", "ticket", "--id-column", "number", "--type", "number=string"
    )
    sent = orjson.loads(daemon.received[1].query["field_types"][0])

    assert {"number": "string", "priority": "integer", "opened": "date"}.items() <= sent.items()
    assert ["number", "string", "as", "given"] in [line.split() for line in ended.out.splitlines()]
    assert ["priority", "integer", "guessed"] in [line.split() for line in ended.out.splitlines()]
    assert "2 inserted" in ended.out


async def test_json_is_the_answer_alone(backfilld, daemon, tickets):
    daemon.script(*PUT, UPLOADED)
    ended = await backfilld(
        "entities", "import", tickets, "--entity-type", "ticket", "--id-column", "number", "--replace", "--json"
    )

    assert {"inserted": 2, "updated": 0, "unchanged": 0} == ended.json
    assert ["true"] == daemon.received[1].query["replace"]


async def test_a_fault_is_told_by_line_and_column(backfilld, daemon, tickets):
    daemon.script(*PUT, UPLOADED)
    ended = await backfilld(
        "entities", "import", tickets, "--entity-type", "ticket", "--id-column", "number", "--type", "subject=integer"
    )

    assert 2 == ended.code
    assert "/2/subject" in ended.err
    assert "is not a whole number" in ended.err


async def test_a_daemon_that_refuses_is_heard_before_a_long_file_is_sent(backfilld, daemon, tickets):
    daemon.script(*PUT, Scripted(403, error={"code": "forbidden", "message": "a viewer may not"}))
    ended = await backfilld(
        "entities", "import", tickets, "--entity-type", "ticket", "--id-column", "number", "--replace"
    )

    assert 8 == ended.code
    assert [(b"", {})] == [(request.body, request.query) for request in daemon.received]


async def test_a_dry_run_checks_without_a_daemon(backfilld, daemon, tickets):
    ended = await backfilld(
        "entities", "import", tickets, "--entity-type", "ticket", "--id-column", "number", "--dry-run", "--json"
    )

    assert {"records": 2} == ended.json
    assert [] == daemon.received


async def test_json_lines_are_taken_as_they_are(backfilld, daemon, tmp_path):
    daemon.script(*PUT, UPLOADED)
    file = tmp_path / "tickets.jsonl"
    file.write_text('{"id": "7", "company": {"tier": "gold"}, "tags": ["vip"]}\n')
    ended = await backfilld("entities", "import", str(file), "--entity-type", "ticket")
    sent = orjson.loads(daemon.received[1].body)

    assert 0 == ended.code, ended.err
    assert {"company": {"tier": "gold"}, "tags": ["vip"]}.items() <= sent["attributes"].items()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--type", "priority=int", "did you mean 'integer'?"),
        ("--type", "priority", "is not FIELD=TYPE"),
        ("--timezone", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
    ],
)
async def test_a_bad_option_is_told_before_anything_is_read(backfilld, daemon, tickets, option, value, said):
    ended = await backfilld("entities", "import", tickets, "--entity-type", "ticket", option, value)

    assert 2 == ended.code
    assert said in ended.err
    assert [] == daemon.received
