"""Items as programs: run one, and say what became of it.

As with requests, whatever takes time comes before the gate, the gate comes right before the start, and what happens
after that is a verdict. A program that must not go on (its time is over, its item was cancelled) is ended together
with all that it started before anybody hears that it is over.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.placeholders import Unfilled
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.answers.documents import decoded_text
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.answers.kept_logs import LOG_BYTES, kept_log, two_streams, with_reason
from backfilld.executors.base import NotPermitted, Permit, Work
from backfilld.executors.command.environment import (
    as_input,
    inherited,
    item_variables,
    session_environment,
    variables_of,
)
from backfilld.executors.command.process import Running, spawn
from backfilld.executors.command.verdicts import KEPT_OF_ERRORS_BYTES, exit_verdict, start_verdict, timeout_verdict
from backfilld.executors.definition import CommandExecutor as Definition
from backfilld.executors.payload import item_body
from backfilld.executors.secrets import SecretMissing, SecretStore, UnusableSecret
from backfilld.executors.shortage import lacks_for_program
from backfilld.executors.templates.substitution import Filling, unfilled_verdict

log = logging.getLogger(__name__)

_LEFT_OUT = "\n… something is left out here …\n".encode()


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """`grace_seconds` is what a program gets between being asked to stop and being killed."""

    grace_seconds: float = 5.0
    most_bytes: int = 65_536  # of its standard output that are kept


@dataclass(frozen=True, slots=True)
class _Call:
    """A program with all that it is told of one item; `hide` takes the secrets out of what it says."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    body: bytes
    hide: Hiding


class CommandExecutor:
    """One command executor of one workflow revision, called `target`. Shared by all that run it."""

    def __init__(
        self,
        definition: Definition,
        *,
        target: str,
        secrets: SecretStore,
        limits: CommandLimits,
        environ: Mapping[str, str] | None = None,
        filling: Filling | None = None,
    ) -> None:
        self._definition = definition
        self._filling = filling
        self._target = target
        self._secrets = secrets
        self._limits = limits
        self._inherited = inherited(environ)

    @property
    def target(self) -> str:
        """The program of this revision: another one of the same name may want other secrets."""
        return self._target

    def address(self, variables: Mapping[str, Any]) -> str:
        return ""

    async def stop(self, work: Work) -> None:
        """Its processes have been ended with the try."""

    async def close(self) -> None:
        """Nothing is kept between two items."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Run it once. Raises what comes before it runs, and `CancelledError` (nothing runs any more)."""
        return with_reason(await self._attempt(work, permit), work)

    async def _attempt(self, work: Work, permit: Permit) -> Verdict:
        try:
            call = self._call(work)
        except Unfilled as problem:
            return unfilled_verdict(problem)
        except (SecretMissing, UnusableSecret) as problem:
            word = "secret_missing" if isinstance(problem, SecretMissing) else "secret_unusable"
            return Verdict(VerdictKind.REFUSED, error_class=word, error=str(problem))
        try:
            return await self._run(call, work, permit)
        except NotPermitted:
            raise
        except Exception as problem:
            log.exception("a try of %s failed on its own account", self._target)
            text = f"{type(problem).__name__}: {problem}"
            return Verdict(VerdictKind.TRY_AGAIN, error_class="internal", error=clean_text(text, MESSAGE_BYTES))

    def _call(self, work: Work) -> "_Call":
        argv = self._definition.argv
        variables, hide = variables_of(self._definition, self._secrets)
        environment = {**self._inherited, **variables}
        if self._filling is not None:
            work = self._filling.work(work)
            argv = self._filling.argv(argv, work)
            environment = {**session_environment(work), **environment}
        environment |= item_variables(work)
        return _Call(argv, environment, item_body(work), hide)

    async def _run(self, call: "_Call", work: Work, permit: Permit) -> Verdict:
        cwd, hide = self._definition.cwd, call.hide
        with ExitStack() as stack:
            try:
                stdin = stack.enter_context(as_input(call.body))
            except OSError as problem:
                if lacks_for_program(problem):
                    return start_verdict(problem, call.argv[0], cwd)
                raise
            permit.start()
            try:
                process = spawn(call.argv, call.environment, cwd, stdin, self._definition.limits)
            except OSError as problem:
                return start_verdict(problem, call.argv[0], cwd)
        shown = max(KEPT_OF_ERRORS_BYTES, LOG_BYTES if work.wants_log else 0)
        running = Running(process, stdout_bytes=self._limits.most_bytes, stderr_bytes=shown)
        try:
            permit.sent()
            status = await self._ended(running, work.timeout_seconds)
        finally:
            running.kill_all()
        out, errors = running.stdout, running.stderr.kept()
        if status is None:
            verdict = timeout_verdict(work.timeout_seconds, errors, hide)
        else:
            verdict = exit_verdict(status, out.kept(), errors, complete=out.complete, hide=hide)
        return replace(verdict, log=_log(running, hide)) if work.wants_log else verdict

    async def _ended(self, running: Running, seconds: float) -> int | None:
        """Its exit status; None if it took too long. It is over in any case."""
        try:
            async with asyncio.timeout(seconds):
                return await running.ended()
        except TimeoutError:
            await running.end(self._limits.grace_seconds)
            return None
        except asyncio.CancelledError:
            await running.end(self._limits.grace_seconds)
            raise


def _log(running: Running, hide: Hiding) -> str:
    """What it wrote. Where something was dropped, so are the lines beside it: they may hold half a secret."""
    out = running.stdout.kept()
    if not running.stdout.complete:
        out = out.rpartition(b"\n")[0] + _LEFT_OUT + running.stdout.ending().partition(b"\n")[2]
    errors = running.stderr.kept()
    if not running.stderr.complete:
        errors = _LEFT_OUT + errors.partition(b"\n")[2]
    return kept_log(two_streams(decoded_text(out)[0], decoded_text(errors)[0]), hide)
