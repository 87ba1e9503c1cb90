"""What may be done to a backfill as it stands, and what the page says that asks before it is done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backfilld.domain.access.callers import Role
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.calendars import shown_zone
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.steering.try_now import ASKED
from backfilld.web.words import times
from backfilld.web.words.numbers import thousands

R, S = ReasonCode, Status
_STILL_COUNTING = "How many it would be is still being counted."
OVERRIDE_USUAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Verb:
    """`name` is the last part of its address. `kind` is how its button looks."""

    name: str
    word: str
    kind: str = ""
    role: Role = "operator"
    in_dialog: bool = True


@dataclass(frozen=True, slots=True)
class Until:
    """A time that is asked for, by the clocks of the backfill's zone; blank where it need not be given."""

    label: str
    hint: str
    value: str = ""
    least: str = ""
    most: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before: the consequences in sentences, and what the button says."""

    title: str
    sentences: Sequence[str]
    button: str
    meanwhile: str
    danger: bool = False
    choices: Sequence[tuple[str, str, str]] = ()  # name, value, words; the first is chosen
    keep: str = "Keep as it is"
    until: Until | None = None
    once: bool = False  # asked twice it is done once
    needs_why: bool = False  # whoever looks later has to know the reason


RESUMES = {
    R.AWAITING_APPROVAL: "Approve and start…",
    R.SAMPLE_DONE: "Go on…",
    R.TOO_MANY_FAILURES: "Resume…",
    R.BUDGET_EXHAUSTED: "Resume…",
}


def verbs_of(view: BackfillView, *, delete_needs_admin: bool) -> Sequence[Verb]:
    """Those that are possible now; the first is what most likely comes next."""
    return tuple(_verbs(view, "admin" if delete_needs_admin else "operator"))


def _verbs(view: BackfillView, deleter: Role) -> Iterator[Verb]:
    status = view.backfill.status
    if view.has_ended:
        if view.counts.failed:
            yield Verb("rerun-failed", f"Rerun {thousands(view.counts.failed)} failed…", "primary")
        if view.counts.total:
            yield Verb("rerun", "Rerun others…" if view.counts.failed else "Rerun…", in_dialog=False)
        if can_be_cloned(view):
            yield Verb("clone", "Clone", in_dialog=False)
        yield Verb("delete", "Delete…", "danger", deleter)
        return
    if status is S.CANCELLING:
        if not view.backfill.cancel_in_flight and view.counts.in_flight:
            yield Verb("cancel", "Cut off what is in flight…", "danger")
        return
    if view.reason is not None and view.reason.code in ASKED:
        yield Verb("try-now", "Try now…")
    if status is S.PAUSED:
        code = view.backfill.reason.code if view.backfill.reason else None
        yield Verb("resume", RESUMES.get(code, "Resume…") if code else "Resume…", "primary")
    else:
        yield Verb("pause", "Pause…")
    yield Verb("edit", "Edit", in_dialog=False)
    if view.window.override_until is not None:
        yield Verb("end-override", "Keep to its openings…")
    elif status is S.WAITING and view.window.open is False:
        yield Verb("override", "Run now until…")
    if can_be_cloned(view):
        yield Verb("clone", "Clone", in_dialog=False)
    yield Verb("cancel", "Cancel…", "danger")


def can_be_cloned(view: BackfillView) -> bool:
    """Whether there is a body that asks for another like it."""
    return not view.backfill.is_schedule


def question(view: BackfillView, verb: str, now: datetime) -> Question | None:
    """What to ask; None if it cannot be done as the backfill stands."""
    if not any(one.name == verb for one in verbs_of(view, delete_needs_admin=True)):
        return None
    return _override(view, now) if verb == "override" else _ASKS[verb](view)


def _in_flight(view: BackfillView) -> str:
    count = view.counts.in_flight
    if not view.planned:
        return "Its plan stays as far as it is, and is made on afterwards."
    return "Nothing is in flight." if not count else f"{thousands(count)} in flight may finish."


def _pause(view: BackfillView) -> Question:
    return Question(
        "Pause it?",
        [f"Once it is paused nothing starts. {_in_flight(view)}", "It can be resumed at any time."],
        "Pause",
        "Pausing…",
        until=Until("Until", "blank: until somebody resumes it"),
        needs_why=True,
    )


def _override(view: BackfillView, now: datetime) -> Question:
    zone = shown_zone(view.backfill)
    least = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    told = [
        f"It runs at once, though its windows are closed: {thousands(view.counts.remaining)} are left.",
        "Whatever else forbids a start still does. What is in flight at the end may finish.",
    ]
    until = Until(
        "Until", "at most 24 hours ahead", times.for_input(least + OVERRIDE_USUAL, zone), times.for_input(least, zone),
        times.for_input(now + timedelta(hours=24), zone), required=True,
    )  # fmt: skip
    return Question("Run outside of its windows?", told, "Run now", "Opening…", until=until, needs_why=True)


def _end_override(view: BackfillView) -> Question:
    told = ["Its windows alone count again: outside of them nothing starts.", _in_flight(view)]
    return Question("Keep to its openings?", told, "Keep to its openings", "Closing…", keep="Let it run on")


def _resume(view: BackfillView) -> Question:
    counts, code = view.counts, view.backfill.reason.code if view.backfill.reason else None
    left = f"{thousands(counts.remaining)} are left." if view.planned else _STILL_COUNTING
    if code is R.AWAITING_APPROVAL:
        skipped = counts.total - counts.to_run
        out = f", {thousands(skipped)} left out" if skipped else ""
        told = [f"{thousands(counts.to_run)} to run{out}. {_what_runs(view)}"]
        return Question("Approve it, and start?", told, "Approve and start", "Starting…")
    if code is R.SAMPLE_DONE:
        done = f"Of the sample {thousands(counts.succeeded)} succeeded, {thousands(counts.failed)} failed."
        rest = f"This goes on with the other {thousands(counts.remaining)}."
        return Question("Go on with the rest?", [done, rest], "Go on", "Starting…")
    told = [left]
    if code is R.TOO_MANY_FAILURES:
        told.append("Both counts of failures start anew.")
    if code is R.BUDGET_EXHAUSTED:
        told.append("It stops again at once unless its cap was raised.")
    if view.window.open is False:
        told.append("Its windows are closed now: it starts with the next opening.")
    by_itself = code in (R.TOO_MANY_FAILURES, R.BUDGET_EXHAUSTED)
    return Question("Resume it?", told, "Resume", "Resuming…", needs_why=by_itself)


def _what_runs(view: BackfillView) -> str:
    if not view.backfill.settings.recheck:
        return "What is approved is exactly what runs."
    return "Nothing else runs; what no longer matches the filter right before its start is skipped."


def _try_now(view: BackfillView) -> Question:
    told = ["What it waits for is asked at once, and not only at its next turn. If that goes well, it goes on."]
    return Question("Ask again now?", told, "Try now", "Asking…", keep="Wait")


def _cancel(view: BackfillView) -> Question:
    counts = view.counts
    never = counts.pending + counts.retrying
    left = f"{thousands(never)} that have not ended are left out for good."
    told = [left if view.planned else f"{_STILL_COUNTING} Nothing of it runs.", "This cannot be undone."]
    if view.backfill.status is S.CANCELLING:
        told = [f"{thousands(counts.in_flight)} in flight are cut off, whatever their target is doing with them."]
        return Question("Cut off what is in flight?", told, "Cut off", "Cutting off…", danger=True, choices=(
            ("in_flight", "cancel", ""),
        ), needs_why=True)  # fmt: skip
    choices = (
        ("in_flight", "drain", "Let what is in flight finish"),
        ("in_flight", "cancel", "Cut it off as well"),
    )
    return Question(
        "Cancel it?", told, "Cancel the backfill", "Cancelling…", danger=True, choices=choices, needs_why=True
    )


def _rerun_failed(view: BackfillView) -> Question:
    failed = thousands(view.counts.failed)
    told = [
        f"A new backfill is made of the {failed} that failed, with the windows and limits of this one.",
        "Nothing of this one changes.",
    ]
    title = f"Rerun the {failed} that failed?"
    return Question(title, told, f"Rerun {failed}", "Making it…", keep="Not now", once=True)


def _delete(view: BackfillView) -> Question:
    told = [
        f"Its ledger of {thousands(view.counts.total)} goes, for good.",
        "What it was, who ran it and how it ended stays in the audit log.",
    ]
    return Question("Delete it?", told, "Delete", "Deleting…", danger=True, needs_why=True)


_ASKS = {
    "pause": _pause, "resume": _resume, "cancel": _cancel, "rerun-failed": _rerun_failed, "delete": _delete,
    "try-now": _try_now, "end-override": _end_override,
}  # fmt: skip
VERBS = (*_ASKS, "override")  # those with a page that asks
