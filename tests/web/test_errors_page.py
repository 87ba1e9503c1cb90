"""Kinds of failure, page by page."""

import re

from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.web.conftest import Site

from backfilld.domain.backfills.failures.fingerprints import fingerprint
from backfilld.store.connection.pool import Pool


async def test_kinds_of_failure_go_on_page_by_page_down_to_all_the_others(site: Site, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    kinds = [fingerprint("http_409", "x" * number) for number in range(1, 204)]
    for number, kind in enumerate(kinds):
        await pool.execute("INSERT INTO plan_items VALUES ($1, $2, $3)", backfill.number, number, f"e{number}")
        await pool.execute(
            "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class,"
            " error, fingerprint) VALUES ($1, $2, 'failed', $3, $3, 1, 'http_409', $4, $5)",
            backfill.number, number, NOON, f"kind {'x' * number}", kind,
        )  # fmt: skip
    await pool.execute(
        "UPDATE backfill_progress SET planned = 203, failed = 203 WHERE backfill_number = $1", backfill.number
    )
    anna = await site.sign_in("viewer")
    path, seen = f"/backfills/{backfill.id}/errors", []
    while path:
        page = await anna.text(path)
        seen += re.findall(r'<b class="num">(\d+)</b>', page)
        more = re.search(r'href="([^"]+)">Next', page)
        path = more[1] if more else ""

    assert ["1"] * 200 + ["3"] == seen
    assert "There is nothing behind that" in await anna.text(f"/backfills/{backfill.id}/errors?cursor=900")
