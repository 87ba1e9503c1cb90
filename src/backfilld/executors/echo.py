"""Items that are only noted: a message goes into the log, and the item has succeeded.

For trying out a schedule before anything is done, and because digdag's workflows have such tasks.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.placeholders import Unfilled
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.answers.kept_logs import kept_log, with_reason
from backfilld.executors.base import Permit, Work
from backfilld.executors.definition import EchoExecutor as Definition
from backfilld.executors.templates.substitution import Filling, unfilled_verdict


class EchoExecutor:
    """One echo executor of one workflow revision."""

    def __init__(self, definition: Definition, *, target: str, filling: Filling | None = None) -> None:
        self._definition = definition
        self._target = target
        self._filling = filling

    @property
    def target(self) -> str:
        """Shared with nobody: it cannot fail."""
        return self._target

    def address(self, variables: Mapping[str, Any]) -> str:
        return ""

    async def stop(self, work: Work) -> None:
        """Nothing goes on."""

    async def close(self) -> None:
        """Nothing is kept."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Pass the gate like everybody else, and be done."""
        message = self._definition.message
        try:
            if self._filling is not None:
                message = self._filling.message(self._definition, self._filling.work(work))
        except Unfilled as problem:
            return with_reason(unfilled_verdict(problem), work)
        permit.start()
        permit.sent()
        verdict = Verdict(VerdictKind.SUCCEEDED, message=clean_text(message, MESSAGE_BYTES) or None)
        return replace(verdict, log=kept_log(message + "\n")) if work.wants_log else verdict
