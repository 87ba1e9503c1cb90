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
    first, second, _ = [orjson.loads(line) for line in daemon.received[1].body.splitlines() if line]

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
    sent = orjson.loads(daemon.received[1].body.splitlines()[-1])["field_types"]

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
    sent = orjson.loads(daemon.received[1].body.splitlines()[0])

    assert 0 == ended.code, ended.err
    assert {"company": {"tier": "gold"}, "tags": ["vip"]}.items() <= sent["attributes"].items()


async def test_wide_records_are_sent_with_an_address_of_any_length(backfilld, daemon, tmp_path):
    daemon.script(*PUT, UPLOADED)
    names = [f"Custom_Field_Name_{n:04}__c" for n in range(2_000)]
    file = tmp_path / "wide.csv"
    file.write_text(",".join(["id", *names]) + "\n" + ",".join(["1"] + ["7"] * 2_000) + "\n")
    ended = await backfilld("entities", "import", str(file), "--entity-type", "ticket", "--json")
    lines = [orjson.loads(line) for line in daemon.received[1].body.splitlines() if line]
    types = {}
    for line in lines[1:]:
        types |= line["field_types"]

    assert 0 == ended.code, ended.err
    assert {} == daemon.received[1].query
    assert dict.fromkeys(names, "integer") | {"id": "integer"} == types


async def test_standard_input_is_a_file_like_any_other(backfilld, daemon):
    daemon.script(*PUT, UPLOADED)
    ended = await backfilld("entities", "import", "-", "--entity-type", "ticket", stdin=CSV.replace("number", "id"))

    assert 0 == ended.code, ended.err
    assert 2 == sum(b'"attributes"' in line for line in daemon.received[1].body.splitlines())


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_what_happened_on_the_way_is_the_last_that_is_said(backfilld, daemon, tmp_path, form):
    replaced = "1 entity was replaced by a later one with the same id in this upload: /2 by /4 (id '7')"
    daemon.script(*PUT, Scripted(data={"inserted": 2, "updated": 0, "unchanged": 0}, warnings=(replaced,)))
    file = tmp_path / "tickets.csv"
    file.write_text("id,closed\n7,0001-01-01\n,\n 7,2027-03-01\n")
    ended = await backfilld("entities", "import", str(file), "--entity-type", "ticket", *form)

    assert 0 == ended.code
    assert [
        "Warning: dates of `closed` beyond the years that are kept became 1000-01-01 or 9000-12-31: 1 (at /2)",
        "Warning: rows without a value were left out: 1 (at /3)",
        "Warning: blanks or invisible characters around ids were taken off: 1 (at /4)",
        f"Warning: {replaced}",
    ] == ended.err.splitlines()[-4:]


async def test_a_dry_run_tells_of_ids_what_the_daemon_would(backfilld, daemon, tmp_path):
    file = tmp_path / "tickets.csv"
    file.write_text("id,n\n9.06E+17,a\nb,1\n9.06E+17,c\nb,2\nb,3\n")
    ended = await backfilld("entities", "import", str(file), "--entity-type", "ticket", "--dry-run")
    rounded, replaced = ended.err.splitlines()

    assert "Warning: 2 ids have the look of a rounded number, such as '9.06E+17' (at /2, /4)" in rounded
    assert (
        "Warning: 3 entities were replaced by a later one with the same id in this upload: /2 by /4 (id '9.06E+17'),"
        " /3 by /5 (id 'b'), /5 by /6 (id 'b'); a spreadsheet rounds long numbers" in replaced
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--delimiter", ";;", "is not one character"),
        ("--list", "udf", "is not FIELD=NAME_VALUE"),
        ("--list", "udf=name", "joined by an underscore"),
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


async def test_the_fields_of_a_type_are_shown(backfilld, daemon):
    field = {"name": "status", "kinds": ["text"], "share": 0.98, "values": [{"value": "open"}], "configured": None}
    daemon.script("GET", "/public-api/entity-types/ticket/fields", Scripted(data={"fields": [field]}))
    ended = await backfilld("entities", "fields", "ticket")

    assert ["FIELD   KIND  HAVE IT  COMMON VALUES", "status  text  98%      open"] == ended.out.splitlines()


async def test_indexes_of_attributes_are_listed_below_the_types(backfilld, daemon):
    ticket = {
        "name": "ticket", "source": "builtin", "count": 3, "loaded_at": None, "fields": {}, "problem": None,
        "indexes": [
            {"field": "status", "state": "ready", "share": 1.0, "problem": None},
            {"field": "account.id", "state": "building", "share": 0.42, "problem": None},
            {"field": "closed_at", "state": "failed", "share": None, "problem": "the disk is full"},
        ],
    }  # fmt: skip
    daemon.script("GET", "/public-api/entity-types", Scripted(data={"entity_types": [ticket]}))
    told = (await backfilld("entities", "types")).out

    assert ["status", "ready"] in [line.split()[1:] for line in told.splitlines()]
    assert "building, 42%" in told
    assert "failed: the disk is full" in told
