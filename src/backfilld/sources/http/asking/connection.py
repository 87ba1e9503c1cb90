"""One API with one account: where it is, how one is let in, how often it may be asked, and how it is at this moment.

Everything that asks goes through here, one connection for the whole process, so that planner, reader, previews and
looks share one budget.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from backfilld.clock import Clock
from backfilld.domain.retry_after import retry_after_seconds
from backfilld.sources.base import SourceBroken, SourceBusy, SourceRefused, SourceUnreachable
from backfilld.sources.http.answers import Answer, Hide, Throttled, meaning_of
from backfilld.sources.http.asking.auth import Auth
from backfilld.sources.http.asking.budget import Usage
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.asking.sending import Sender
from backfilld.sources.http.asking.wire import place
from backfilld.sources.http.shape import Request

LOOK_SECONDS = 60.0  # for so long the last success says that all is well
VENDOR_SECONDS, VENDOR_GRACE_SECONDS = 90.0, 5.0  # between two questions about the system's own count
READING_STOPS_AT, GOES_ON_BELOW = 0.75, 0.45
REFUSED_SECONDS = 300.0  # for so long nobody tries again what was refused

Hiding = Callable[[Iterable[str]], Hide]
Meaning = Callable[[Answer, str, Hide, float | None], Exception | None]


class Base:
    """Where the API is. Here it is written down; that of some has to be found out."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def find(self) -> str:
        """The address that paths are put behind. SourceUnreachable, SourceRefused, SourceBroken."""
        return self._url

    def outdated(self, answer: Answer, asked_at: str) -> bool:
        """Called after an answer that may mean that it has moved from there. True: it may be elsewhere by now."""
        return False


@dataclass(frozen=True, slots=True)
class VendorCount:
    """How a system tells how much of what it allows is used up, by everybody. `share`: of its answer's document."""

    request: Request
    share: Callable[[Any], float | None]
    pause_at: float


@dataclass(frozen=True, slots=True)
class System:
    """What kind of API it is: where it is, how one is let in, and what it means by its answers."""

    base: Base
    auth: Auth
    meaning: Meaning = meaning_of
    vendor_count: VendorCount | None = None


@dataclass(slots=True)
class Health:
    """How it was when it was last asked."""

    problem: str | None = None
    refused: SourceRefused | None = None
    refused_at: float = 0.0
    answered_at: float | None = None
    successes: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says of a connection besides its base, credentials and budget."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    test: Request | None = None
    remedy: str = ""  # what to do about refused credentials
    answer_seconds: float | None = None


class Connection:
    """Sends what the sources of its types want to know."""

    def __init__(
        self,
        terms: Terms,
        system: System,
        sender: Sender,
        clock: Clock,
        hiding: Hiding,
    ) -> None:
        self.terms = terms
        self.name = terms.name
        self.health = Health()
        self.budget = sender.budget
        self.outcomes = sender.outcomes
        self._sender = sender
        self._base = system.base
        self._auth = system.auth
        self._clock = clock
        self._hiding = hiding
        self._meaning = system.meaning
        self._vendor_count = system.vendor_count
        self._vendor_asked_at: float | None = None
        self._asking_vendor: asyncio.Task[None] | None = None
        self._is_looking = asyncio.Lock()

    async def ask(self, request: Request, purpose: Purpose) -> Answer:
        """A 2xx answer. SourceBusy before anything is sent; SourceUnreachable, SourceRefused or SourceBroken."""
        self.require_not_refused()
        try:
            answer = await self._asked(request, purpose)
        except SourceBusy:
            raise
        except SourceRefused as problem:
            self.health.problem, self.health.refused = str(problem), problem
            self.health.refused_at = self._clock.monotonic()
            raise
        except Throttled as problem:
            raise self.obey(problem, request.endpoint) from problem
        except SourceUnreachable as problem:
            self.health.problem = str(problem)
            raise
        self.health.problem = self.health.refused = None
        self.health.answered_at = self._clock.monotonic()
        self.health.successes += 1
        if self._vendor_count is not None and request is not self._vendor_count.request:
            self._ask_vendor(self._vendor_count)
        return answer

    async def look(self) -> None:
        """See whether it answers, unless that is known. Raises what `ask` raises."""
        async with self._is_looking:
            answered_at = self.health.answered_at
            is_well = self.health.problem is None and answered_at is not None
            if is_well and self._clock.monotonic() - (answered_at or 0.0) < LOOK_SECONDS:
                return
            if self.terms.test is not None:
                await self.ask(self.terms.test, Purpose.LOOK)

    def heal(self) -> None:
        """Credentials may have been changed: whatever was refused is tried again."""
        self.health.refused = None
        self._auth.forget()

    def require_not_refused(self) -> None:
        """SourceRefused if it was, and it is not yet time to see whether that is over."""
        refused = self.health.refused
        if refused is not None and self._clock.monotonic() - self.health.refused_at < REFUSED_SECONDS:
            raise SourceRefused(str(refused))

    async def base(self) -> str:
        """The address that paths are put behind."""
        return await self._base.find()

    async def let_in(self) -> dict[str, str]:
        """Headers of a request that is to be let in."""
        return {**self.terms.headers, **await self._auth.headers()}

    def meaning_of(self, answer: Answer, where: str) -> Exception | None:
        """What an answer means; None: it is well."""
        told, date = answer.headers.get("retry-after", ""), answer.headers.get("date", "")
        seconds = retry_after_seconds(told, date, self._clock.now())
        return self._meaning(answer, where, self._hiding(self._auth.confidential()), seconds)

    @property
    def usage(self) -> Usage:
        return self.budget.usage()

    def where(self, request: Request) -> str:
        """A request as messages name it."""
        return f"{self.name}: {request.method} {request.path or place(request.url or '')}"

    async def close(self) -> None:
        """Give up what is being asked, and let go."""
        if self._asking_vendor is not None:
            self._asking_vendor.cancel()
            await asyncio.gather(self._asking_vendor, return_exceptions=True)
        await self._sender.close()

    def _ask_vendor(self, count: VendorCount) -> None:
        """Now and then, while we ask anyway, and never two at once."""
        now = self._clock.monotonic()
        is_early = self._vendor_asked_at is not None and now - self._vendor_asked_at < VENDOR_SECONDS
        if is_early or (self._asking_vendor is not None and not self._asking_vendor.done()):
            return
        self._vendor_asked_at = now
        self._asking_vendor = asyncio.create_task(self._obey_vendor(count))

    async def _obey_vendor(self, count: VendorCount) -> None:
        """Stop planning and writing where others use the system a lot, and reading too where it is nearly too much."""
        try:
            share = count.share((await self.ask(count.request, Purpose.LOOK)).document())
        except (SourceUnreachable, SourceBroken):
            return
        if share is None:
            return
        why = f"{share:.0%} of the requests that {self.name} allows to all together are used up"
        purposes = [Purpose.PLAN, Purpose.EARLY_PLAN, Purpose.WRITE] if share >= count.pause_at else []
        if share > max(READING_STOPS_AT, count.pause_at):
            purposes.append(Purpose.READ)
        for purpose in purposes:
            self.budget.hold(purpose, VENDOR_SECONDS + VENDOR_GRACE_SECONDS, why)
        if share < min(GOES_ON_BELOW, count.pause_at):
            for purpose in Purpose:
                self.budget.hold(purpose, 0.0, "")

    async def _asked(self, request: Request, purpose: Purpose) -> Answer:
        """Twice, where what was kept (a token, an address) may have become old."""
        for is_last in (False, True):
            let_in, base = await self._auth.headers(), await self._base.find()
            answer, problem = await self._once(request, purpose, base, let_in)
            if problem is None:
                return answer
            if is_last or not self.outdated(answer, base, let_in):
                raise self._with_remedy(problem, answer)
        raise AssertionError("the second time is the last")

    def _with_remedy(self, problem: Exception, answer: Answer) -> Exception:
        if isinstance(problem, SourceRefused) and answer.status == 401 and self.terms.remedy:
            return SourceRefused(f"{problem}; {self.terms.remedy}")
        return problem

    def outdated(self, answer: Answer, base: str, let_in: Mapping[str, str]) -> bool:
        """True if what was asked there, with these headers, may be answered otherwise the next time."""
        has_moved = self._base.outdated(answer, base)
        return (answer.status == 401 and self._auth.outdated(let_in)) or has_moved

    async def _once(
        self, request: Request, purpose: Purpose, base: str, let_in: Mapping[str, str]
    ) -> tuple[Answer, Exception | None]:
        answer = await self._sender.send(
            purpose,
            request.endpoint,
            request.method,
            request.url or url_of(base, request),
            {**self.terms.headers, **request.headers, **let_in},
            json=request.json,
            answer_seconds=self.terms.answer_seconds,
        )
        answer = replace(answer, where=self.where(request))
        problem = self.meaning_of(answer, answer.where)
        self._sender.came(request.endpoint, answer, is_well=problem is None)
        return answer, problem

    def obey(self, problem: Throttled, endpoint: str) -> SourceBusy:
        """Ask less, as the other side wants it; what is to be told of that."""
        until: datetime
        if problem.endpoint_only:
            until = self.budget.crowded(endpoint)
        else:
            until = self.budget.throttled(problem.seconds, str(problem))
        return SourceBusy(str(problem), until=until)


def url_of(base: str, request: Request) -> str:
    """The whole address of a request; every name and value percent-encoded."""
    query = urlencode(request.query, quote_via=quote, safe=",()") if request.query else ""
    return f"{base}{request.path}{'?' + query if query else ''}"
