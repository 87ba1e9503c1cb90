"""Who is left out of a new backfill because the workflow has run them before.

Which of them the filter matches shows only in the plan; how many there are at all is known at once, and is enough to
notice that `reprocess_behavior` is not what was meant.
"""

import asyncio
from collections.abc import Sequence

from backfilld.domain.backfill_settings import Reprocess
from backfilld.domain.texts import many
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.ledger.pages import LedgerPages

_DONE = {"failed": ("has succeeded", "have succeeded"), "none": ("was run", "were run")}


class ReprocessWarning:
    """Warns of them, within a time that the configuration sets."""

    def __init__(self, ledger: LedgerPages, last_runs: LastRunsStore, timeout_seconds: float) -> None:
        self._ledger = ledger
        self._last_runs = last_runs
        self._timeout_seconds = timeout_seconds

    async def warnings(
        self, workflow_id: int, entity_type: str, behavior: Reprocess, entity_ids: Sequence[str] | None
    ) -> list[str]:
        """At most one. Counted among `entity_ids`, if there are any; else among all of the type."""
        if behavior == "completed":
            return []
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._last_runs.bring_up_to_date(workflow_id)
                before = await self._ledger.count_run_before(workflow_id, entity_type, entity_ids)
        except TimeoutError:
            return []
        count = before.get("succeeded", 0) if behavior == "failed" else sum(before.values())
        if not count:
            return []
        done = _DONE[behavior][count != 1]
        if entity_ids is None:
            of_type = f"of type {entity_type}"
            what, left_out = many(count, f"entity {of_type}", f"entities {of_type}"), "those that match are left out"
        else:
            what, left_out = f"{count:,} of these entities", "it is left out" if count == 1 else "they are left out"
        return [f"{what} {done} under this workflow before; {left_out} (reprocess_behavior is '{behavior}')"]
