"""Somebody who is asked whether backfills may go on: 200 goes, anything else holds."""

from datetime import timedelta
from typing import Any

import orjson

from backfilld.clock import Clock
from backfilld.domain.brakes.verdicts import Seen
from backfilld.engine.brakes.signals import LookFailed
from backfilld.engine.brakes.sql_signal import finite
from backfilld.engine.http_asking import AskingFailed, HttpAsking
from backfilld.executors.http.client import Answer
from backfilld.executors.http.retry_after import retry_after_seconds

LONGEST_SECONDS = 3600.0  # whatever Retry-After says, it is looked at again then


class HttpSignal:
    """GET of one address. `value`: the keys in the JSON of a 200 under which a number stands."""

    def __init__(
        self, asking: HttpAsking, url: str, clock: Clock, *, seconds: float, value: tuple[str, ...] | None = None
    ) -> None:
        self._asking = asking
        self._url = url
        self._clock = clock
        self._seconds = seconds
        self._value = value

    async def look(self) -> Seen:
        try:
            answer = await self._asking.ask("GET", self._url, seconds=self._seconds)
        except AskingFailed as problem:
            raise LookFailed(str(problem)) from problem
        if answer.status != 200:
            wait = retry_after_seconds(answer.headers, self._clock.now())
            later = None if wait is None else timedelta(seconds=min(wait, LONGEST_SECONDS))
            return Seen(bad=True, text=f"it answers HTTP {answer.status}", again_after=later)
        if self._value is None:
            return Seen(text="it answers HTTP 200")
        return Seen(_value_in(answer, self._value))

    async def close(self) -> None:
        await self._asking.close()


def _value_in(answer: Answer, path: tuple[str, ...]) -> float:
    name = ".".join(path)
    try:
        here: Any = orjson.loads(answer.body) if answer.complete else None
    except orjson.JSONDecodeError:
        raise LookFailed("it answers HTTP 200, and what is no JSON") from None
    for key in path:
        if isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        elif isinstance(here, dict) and key in here:
            here = here[key]
        else:
            raise LookFailed(f"its answer has no '{name}'")
    if isinstance(here, bool) or not isinstance(here, int | float):
        raise LookFailed(f"'{name}' in its answer is no number")
    return finite(here)
