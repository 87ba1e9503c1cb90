"""What a digdag server can be asked, as calls; whatever goes wrong is one of three problems."""

from collections.abc import Mapping
from typing import Any, Literal

from backfilld.executors.digdag.connection import DigdagConnection
from backfilld.executors.http.bodies import document_of
from backfilld.executors.http.client import Answer
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.verdicts import is_success, told
from backfilld.executors.secrets import SecretMissing, UnusableSecret

PAGE = 100
Problem = Literal["away", "refused", "answered"]


class ServerProblem(Exception):
    """A question that has no proper answer. `kind`: `away` (no connection, 5xx, 429), `refused` (we are not let in), or
    `answered` with an error of its own, whose `status` it is."""

    def __init__(self, kind: Problem, message: str, status: int | None = None, body: Any = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.body = body


class Questions:
    """Asks one server."""

    def __init__(self, connection: DigdagConnection) -> None:
        self._connection = connection

    async def version(self) -> str:
        """Of the server."""
        return str((await self.get("/version")).get("version", "unknown"))

    async def count_schedules(self) -> str:
        """How many there are, from the first page: `3`, or `100 or more`."""
        found = (await self.get("/schedules")).get("schedules")
        number = len(found) if isinstance(found, list) else 0
        return f"{number} or more" if number >= PAGE else str(number)

    async def get(self, path: str, query: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """ServerProblem."""
        return await self.call("GET", path, query=query)

    async def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """The answer, an object. ServerProblem."""
        try:
            answer = await self._connection.ask(method, path, body, query)
        except TargetFailure as problem:
            raise ServerProblem("away", f"{self._name}: {problem.verdict.error}") from problem
        except (SecretMissing, UnusableSecret) as problem:
            raise ServerProblem("refused", f"{self._name}: {problem}") from problem
        return self._read(answer, f"{method} /api{path}")

    @property
    def _name(self) -> str:
        return self._connection.terms.name

    def _read(self, answer: Answer, what: str) -> Mapping[str, Any]:
        value, status = document_of(answer).value, answer.status
        if is_success(status) and isinstance(value, dict):
            return value
        message = f"{self._name}: {what} answers {told(answer, self._connection.hide)}"
        if is_success(status):
            raise ServerProblem("away", f"{message}, which is no JSON of digdag's", status)
        if status in (401, 402, 403, 407):
            raise ServerProblem("refused", message, status)
        if status in (408, 429) or status >= 500 or status < 400:
            raise ServerProblem("away", message, status)
        raise ServerProblem("answered", message, status, value)
