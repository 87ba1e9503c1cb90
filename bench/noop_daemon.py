"""The real daemon, with one thing exchanged: executors do nothing, and succeed at once.

Run as `python -m bench.noop_daemon serve …`. What is left is everything that the daemon itself costs: plan, read-ahead,
gate, judgement, recorder.
"""

from collections.abc import Mapping
from typing import Any

from backfilld.cli.main import main
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Executor, Permit, Work
from backfilld.executors.registry import ExecutorRegistry


class DoesNothing:
    """An executor that passes the gate, and is done."""

    target = "nothing"

    def address(self, variables: Mapping[str, Any]) -> str:
        return ""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        permit.start()
        permit.sent()
        return SUCCEEDED

    async def stop(self, work: Work) -> None:
        pass

    async def close(self) -> None:
        pass


def _make(self: ExecutorRegistry, revision_id: int, stored: Mapping[str, Any]) -> Executor:
    return DoesNothing()


if __name__ == "__main__":
    ExecutorRegistry._make = _make  # type: ignore[method-assign]  # the one seam where an executor is made
    main()
