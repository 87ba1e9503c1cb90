"""The attributes of an entity of a plan, over HTTP."""

from tests.api.backfill_fixtures import *  # noqa: F403 - fixtures
from tests.api.conftest import Client
from tests.support.backfill_api import store_entities
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger

from backfilld.store.connection.pool import Pool


async def test_they_say_whose_words_they_are(client: Client, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"e0": "succeeded", "e1": "failed"})
    await store_entities(pool, {"priority": 2}, at=NOON)
    path = f"/public-api/backfills/{backfill.id}/entities"
    stored = await (await client.get(f"{path}/e0/attributes")).json()
    gone = await (await client.get(f"{path}/e1/attributes")).json()

    read_at = stored["data"]["read_at"]
    told = {"attributes": {"priority": 2}, "standing": "as_now", "as_of": "2027-03-01T12:00:00Z", "read_at": read_at}
    assert told == stored["data"]
    assert (None, None) == (gone["data"]["attributes"], gone["data"]["as_of"])
    assert 404 == (await client.get(f"{path}/e7/attributes")).status
