"""The ledger as a file: what stands in it, what it is called, and that a part is never taken for the whole."""

import csv
import io
import json
from uuid import uuid4

import aiohttp
import pytest
from tests.api.backfill_fixtures import *  # noqa: F403
from tests.api.backfill_fixtures import PATH
from tests.api.conftest import Client
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger

from backfilld.api.public.watching import report as reporting
from backfilld.domain.backfills.failures.fingerprints import fingerprint
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.store.connection.pool import Pool

ENTRIES = {"a": "succeeded", "=b": "failed:http_404", "c": "skipped", "d": "retrying", "ü\n": "pending"}


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool, name="Übertrag: Nacht/1")
    await make_ledger(pool, backfill, ENTRIES)
    await put_into(pool, backfill, Status.COMPLETED_WITH_FAILURES)
    return backfill


async def fetched(client: Client, id: object, query: str = "") -> tuple[str, aiohttp.ClientResponse]:
    answer = await client.get(f"{PATH}/{id}/report{query}")
    text = (await answer.read()).decode()
    assert 200 == answer.status, text
    return text, answer


async def test_csv_has_a_header_a_line_an_entry_and_no_formula(client: Client, backfill: Backfill):
    text, answer = await fetched(client, backfill.id)
    header, *lines = list(csv.reader(io.StringIO(text)))
    first = ["a", "0", "succeeded", "1", "2027-03-01T12:00:00Z", "2027-03-01T12:00:00.250000Z", "250", "done"]

    assert list(reporting.COLUMNS) == header
    assert ["a", "'=b", "c", "d", "ü\n"] == [line[0] for line in lines]
    assert ["a", "0", "succeeded", "1", "2027-03-01T12:00:00Z", "2027-03-01T12:00:00.250000Z", "250", "done"] == lines[
        0
    ][:8]
    assert first == lines[0][:8]
    assert {"label": "a"} == json.loads(lines[0][12])
    assert "\r\n" in text
    assert "text/csv" in answer.headers["Content-Type"]


async def test_json_lines_are_the_objects_of_the_ledger(client: Client, backfill: Backfill):
    text, _ = await fetched(client, backfill.id, "?format=jsonl")
    listed = (await (await client.get(f"{PATH}/{backfill.id}/entities")).json())["data"]["entities"]

    assert listed == [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("&status=failed", ["=b"]), ("&status=skipped&status=pending", ["c", "ü\n"]), ("&status=in_flight", []),
        (f"&error_group={fingerprint('http_404', 'x').hex()}", ["=b"]), (f"&error_group={'0' * 18}", []),
    ],
)  # fmt: skip
async def test_a_report_can_be_of_some_alone(client: Client, pool: Pool, backfill: Backfill, query: str, ids: list):
    await pool.execute("UPDATE outcomes SET fingerprint = $1 WHERE status = 'failed'", fingerprint("http_404", "x"))
    text, _ = await fetched(client, backfill.id, f"?format=jsonl{query}")

    assert ids == [json.loads(line)["entity_id"] for line in text.splitlines()]


async def test_it_is_sent_page_by_page(client: Client, backfill: Backfill, monkeypatch):
    whole, _ = await fetched(client, backfill.id)
    monkeypatch.setattr(reporting, "AT_ONCE", 2)

    assert whole == (await fetched(client, backfill.id))[0]


async def test_the_file_has_the_name_of_the_backfill_in_any_alphabet(client: Client, backfill: Backfill):
    _, answer = await fetched(client, backfill.id)

    assert (
        'attachment; filename="_bertrag_ Nacht_1-completed_with_failures-2027-03-01.csv";'
        " filename*=UTF-8''%C3%9Cbertrag_%20Nacht_1-completed_with_failures-2027-03-01.csv"
    ) == answer.headers["Content-Disposition"]


async def test_one_that_goes_on_is_partial(client: Client, pool: Pool, backfill: Backfill):
    await put_into(pool, backfill, Status.RUNNING)
    _, answer = await fetched(client, backfill.id, "?format=jsonl")

    assert "-running-2027-03-01-partial.jsonl" in answer.headers["Content-Disposition"]


async def test_what_is_cut_off_ends_without_its_last_chunk(client: Client, operations, backfill: Backfill, monkeypatch):
    monkeypatch.setattr(reporting, "AT_ONCE", 2)
    list_page = operations.ledger.list_page

    async def breaks(*args, behind: int, **kw):
        if behind > 0:
            raise RuntimeError("the database went away")
        return await list_page(*args, behind=behind, **kw)

    monkeypatch.setattr(operations.ledger, "list_page", breaks)
    answer = await client.get(f"{PATH}/{backfill.id}/report")
    with pytest.raises(aiohttp.ClientError):
        await answer.read()

    assert 200 == answer.status


async def test_only_so_many_are_sent_at_once(client: Client, backfill: Backfill, monkeypatch):
    monkeypatch.setattr(reporting, "MOST_REPORTS", 0)

    assert 503 == (await client.get(f"{PATH}/{backfill.id}/report")).status


@pytest.mark.parametrize("query", ["?format=xml", "?status=lost", "?error_group=1", "?formt=csv"])
async def test_what_is_asked_wrongly_is_told(client: Client, backfill: Backfill, query: str):
    assert 422 == (await client.get(f"{PATH}/{backfill.id}/report{query}")).status


async def test_an_unknown_backfill_has_no_report(client: Client):
    assert 404 == (await client.get(f"{PATH}/{uuid4()}/report")).status


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"), ("x=1", "x=1"),
     (-1.5, "-1.5"), (None, ""), (NOON, "2027-03-01T12:00:00Z"), ('a "b", c', 'a "b", c')],
)  # fmt: skip
def test_no_cell_is_a_formula(value: object, cell: str):
    text = reporting.csv_lines([["e1", reporting.cell(value)]]).decode()

    assert ["e1", cell] == next(csv.reader(io.StringIO(text, newline="")))
