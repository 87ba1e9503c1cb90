"""A program is run for rows of somebody else's database: the whole way, in the real process."""

import json
import os
import stat
from collections import Counter
from dataclasses import replace

import asyncpg
import pytest
from tests.support.sql_types import TICKETS
from tests.support.waiting import eventually

SCRIPT = """#!/bin/sh
item=$(cat)
echo "$BACKFILLD_ENTITY_ID $BACKFILLD_ATTEMPT $item" >> "$LEDGER"
echo "$TOKEN" >> "$LEDGER.token"
case "$BACKFILLD_ENTITY_ID" in
  4) echo "no such luck" >&2; exit 1 ;;
  6) [ "$BACKFILLD_ATTEMPT" -lt 2 ] && exit 75 ;;
  8) sleep 100 ;;
esac
echo '{"status": "succeeded", "message": "done"}'
"""
FILE = """
[entity_types.ticket]
source = "sql"
[entity_types.ticket.sql]
dsn = { secret = "crm_dsn" }
query = "SELECT * FROM tickets WHERE status = 'open'"
updated_at = "closed_at"
[[workflows]]
name = "archive"
[workflows.executor]
type = "command"
"""


@pytest.fixture
async def commanded(daemon, scratch, empty_dsn):
    """The daemon with a type `ticket` elsewhere and a workflow `archive`; open are 2, 4 … 20."""
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(TICKETS)
    await connection.close()
    script, ledger = scratch / "archive", scratch / "ledger"
    script.write_text(SCRIPT)
    script.chmod(stat.S_IRWXU)
    for name, text in (("crm_dsn", empty_dsn), ("token", "tiger")):
        (scratch / name).write_text(text)
    env = f'{{ LEDGER = "{ledger}", TOKEN = {{ secret = "token" }} }}'
    more = FILE + f'argv = ["{script}"]\nenv = {env}\ncwd = "{scratch}"\n'
    secrets = {name: scratch / name for name in ("crm_dsn", "token")}
    daemon.configure(replace(daemon.plan, secrets=secrets, more=more))
    await daemon.start()
    return daemon, ledger


async def workflow_id(daemon):
    found = [one async for one in daemon.client.every("workflows", "/workflows") if one["name"] == "archive"]
    return found[0]["id"]


async def test_every_row_is_worked_on_and_accounted_for(commanded):
    daemon, ledger = commanded
    id = await daemon.create(target_workflow_id=await workflow_id(daemon), filter_spec={"priority": [0, 1, 2, 4]})
    ended = await daemon.ends(id)
    lines = [line.split(" ", 2) for line in ledger.read_text().splitlines()]
    items = {entity: json.loads(item) for entity, _, item in lines}

    assert "completed_with_failures" == ended["status"]
    assert {"2": 1, "4": 1, "6": 2, "10": 1, "12": 1, "14": 1, "16": 1, "20": 1} == Counter(one for one, _, _ in lines)
    assert (7, 1) == (ended["succeeded_count"], ended["failed_count"])
    assert "open" == items["2"]["entity"]["attributes"]["status"]
    assert {"tiger"} == set(ledger.with_name("ledger.token").read_text().split())


async def test_a_cancelled_item_leaves_no_program_behind(commanded):
    daemon, ledger = commanded
    id = await daemon.create(target_workflow_id=await workflow_id(daemon), filter_spec={"id": 8})
    await eventually(ledger.exists)
    children = await eventually(lambda: children_of(daemon.pid))
    await daemon.client.cancel_backfill(id, in_flight="cancel")
    ended = await daemon.ends(id)

    assert "cancelled" == ended["status"]
    assert [] == [pid for pid in children if is_there(pid)]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return children.read().split()


def is_there(pid):
    return os.path.exists(f"/proc/{pid}")
