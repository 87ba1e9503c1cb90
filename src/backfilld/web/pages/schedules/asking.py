"""The page that asks before something is done to a schedule, a session or an attempt."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from backfilld.domain.errors import BackfilldError, Invalid
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Visit
from backfilld.web.pages.backfill.verbs import Question
from backfilld.web.words.states import Pill


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about `name`; `action` is where its form goes, `back` where one keeps things as they are."""

    question: Question
    name: str
    pill: Pill
    action: str
    back: str
    has_reason: bool = True
    hidden: tuple[tuple[str, str], ...] = ()


def ask(
    frame: Frame, visit: Visit, asked: Asked, problem: BackfilldError | None = None, **values: Any
) -> web.Response:  # fmt: skip
    """The page; with a `problem` it says why the thing was not done, and keeps what was typed."""
    faults = problem.faults if isinstance(problem, Invalid) else ()
    fault = next((one.message for one in faults if one.path == "/reason"), "")
    return frame.page(
        visit, "schedules/confirm.html", status=200 if problem is None else problem.status, here="schedules",
        asked=asked, ask=asked.question, problem="" if fault else sentence(problem), fault=fault,
        reason=visit.form.get("reason"), chosen=visit.form.get, **values,
    )  # fmt: skip


def sentence(problem: BackfilldError | None) -> str:
    """The message as a sentence; "" for none."""
    if problem is None:
        return ""
    text = problem.message[:1].upper() + problem.message[1:]
    return text if text[-1:] in ".!?" else text + "."
