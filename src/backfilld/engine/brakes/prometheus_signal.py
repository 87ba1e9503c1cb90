"""A query on a Prometheus server: of a vector the worst sample counts; nothing, or NaN, is no sight."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from backfilld.domain.brakes.settings import Thresholds
from backfilld.domain.brakes.verdicts import Seen
from backfilld.engine.brakes.signals import LookFailed
from backfilld.engine.brakes.sql_signal import finite
from backfilld.engine.http_asking import AskingFailed, HttpAsking

MOST_POINTS = 10_000  # the server refuses more than 11,000
RANGE_SECONDS = 30.0


class PrometheusSignal:
    """Instant queries for looks, a range query for how it would have been."""

    def __init__(self, asking: HttpAsking, url: str, query: str, thresholds: Thresholds, *, seconds: float) -> None:
        self._asking = asking
        self._url = url.rstrip("/")
        self._query = query
        self._thresholds = thresholds
        self._seconds = seconds

    async def look(self) -> Seen:
        data = await self._answer("query", {"query": self._query}, self._seconds)
        kind, result = data.get("resultType"), data.get("result")
        if kind == "scalar":
            samples = [result]
        elif kind == "vector" and isinstance(result, list):
            samples = [one.get("value") for one in result if isinstance(one, Mapping)]
        else:
            raise LookFailed(f"the query gives a {kind}; it must give a scalar or an instant vector")
        if not samples:
            raise LookFailed("the query finds no series")
        return Seen(self._thresholds.worst([_number(sample) for sample in samples]))

    async def history(
        self, since: datetime, until: datetime, step_seconds: float
    ) -> tuple[list[tuple[datetime, float]], timedelta]:
        """The worst of all series at each moment at which there is one, and the step between moments; LookFailed."""
        step = max(step_seconds, (until - since).total_seconds() / MOST_POINTS)
        wanted = {
            "query": self._query,
            "start": f"{since.timestamp():.3f}",
            "end": f"{until.timestamp():.3f}",
            "step": f"{step:.3f}",
        }
        data = await self._answer("query_range", wanted, RANGE_SECONDS)
        if data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
            raise LookFailed("the query gives no range")
        at: dict[float, list[float]] = {}
        unseen: set[float] = set()  # a look there would have failed
        for series in data["result"]:
            for sample in series.get("values", ()) if isinstance(series, Mapping) else ():
                try:
                    at.setdefault(float(sample[0]), []).append(_number(sample))
                except LookFailed:
                    unseen.add(float(sample[0]))
        seen = sorted(at.keys() - unseen)
        found = [(datetime.fromtimestamp(time, UTC), self._thresholds.worst(at[time])) for time in seen]
        return found, timedelta(seconds=step)

    async def _answer(self, what: str, wanted: Mapping[str, str], seconds: float) -> Mapping[str, Any]:
        try:
            answer = await self._asking.ask("GET", f"{self._url}/api/v1/{what}?{urlencode(wanted)}", seconds=seconds)
        except AskingFailed as problem:
            raise LookFailed(str(problem)) from problem
        try:
            body = orjson.loads(answer.body) if answer.complete else None
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise LookFailed(f"the server answers HTTP {answer.status}, and not as Prometheus does")
        data = body.get("data")
        if answer.status != 200 or body.get("status") != "success" or not isinstance(data, dict):
            raise LookFailed(f"the server answers HTTP {answer.status}: {str(body.get('error'))[:300]}")
        return data

    async def close(self) -> None:
        await self._asking.close()


def _number(sample: Any) -> float:
    """The value of `[time, "text"]`."""
    try:
        return finite(float(sample[1]))
    except (TypeError, ValueError, LookupError):
        raise LookFailed("a sample is no number") from None
