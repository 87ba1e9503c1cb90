"""Editing the settings of a backfill where they stand, also while it runs."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from backfilld.api.public.steering.change import Changing
from backfilld.domain.backfill_settings import MOST_REASON
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.errors import BackfilldError, Conflict, Invalid, Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.steering.edit import ChangedMeanwhile
from backfilld.web.fields import window_fields
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.backfill import edit_form, settings
from backfilld.web.pages.backfill.edit_form import GROUPS, Fields
from backfilld.web.pages.backfill.shell import IDS, PATH
from backfilld.web.words import times
from backfilld.web.words.states import pill

SAVES = ("save", "resume")
LARGEST_VERSION = 18  # digits
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MEANWHILE = "Somebody else has changed this backfill meanwhile. What you typed is still here: save it again to keep it."
STOPPED = frozenset({ReasonCode.TOO_MANY_FAILURES, ReasonCode.BUDGET_EXHAUSTED})


class EditPages:
    """The handlers."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._frame = frame
        self._operations = operations
        self._changing = Changing(operations)

    async def show(self, visit: Visit) -> web.Response:
        """The form as the backfill stands: all of it, or one group."""
        view = await self._operations.get(visit.path["id"])
        present = edit_form.fields_of(view.backfill)
        return self._draw(visit, view, _groups(visit.http.query.get("group", "")), present, present)

    async def take(self, visit: Visit) -> web.Response:
        """The form as it was changed; or the backfill as it was asked to be."""
        view = await self._operations.get(visit.path["id"])
        groups, was = _groups(visit.form.get("group")), edit_form.read(visit.form.get("was"))
        hidden = ("csrf", "do", "was", "version", "group", "reason")
        fields = {name: value.strip() for name, value in visit.form.fields if name not in hidden}
        what, _, at = visit.form.get("do").partition(":")
        if what not in SAVES:
            edited = window_fields.edited(fields, what, at) if what in window_fields.EDITS else fields
            return self._draw(visit, view, groups, edited, was, version=_version(visit))
        return await self._save(visit, view, groups, fields, was, and_resume=what == "resume")

    async def _save(
        self, visit: Visit, view: BackfillView, groups: Sequence[str], fields: Fields, was: Fields, *, and_resume: bool
    ) -> web.Response:
        id_, keys = view.backfill.id, edit_form.keys_of(view.backfill, groups)
        faults, patch = edit_form.faults_of(fields, keys), edit_form.patch_of(fields, was, keys)
        if view.backfill.is_schedule and patch.get("daily_execution_windows") == {}:
            patch["daily_execution_windows"] = None  # sessions are always open then
        warnings: tuple[str, ...] = ()
        if faults:
            return self._draw(visit, view, groups, fields, was, version=_version(visit), faults=faults, status=422)
        try:
            self._frame.check_reason(visit, needs_why=bool(patch) or and_resume)
            if patch:
                why = {"reason": visit.form.get("reason")[:MOST_REASON]} if visit.form.get("reason") else {}
                edited = await self._changing.change(visit.actor, id_, patch | why, frozenset({_version(visit)}))
                warnings = edited.warnings
            if and_resume:
                reason = visit.form.get("reason")[:MOST_REASON] or None
                await self._operations.steering.resume(visit.actor, id_, why=reason)
        except ChangedMeanwhile as problem:
            return self._met(visit, problem.present, groups, fields, was, problem)
        except Invalid as problem:
            faults, general = _placed(problem, fields)
            return self._draw(
                visit, view, groups, fields, was, version=_version(visit), faults=faults, problem=general, status=422
            )
        except (Conflict, Unavailable) as problem:
            return self._met(visit, await self._operations.get(id_), groups, fields, was, problem)
        if warnings:
            view = await self._operations.get(id_)
            present = edit_form.fields_of(view.backfill)
            return self._draw(visit, view, groups, present, present, warnings=warnings)
        there = f"/backfills/{id_}" + ("" if and_resume else "/settings")
        return self._frame.see_other(there)

    def _met(
        self, visit: Visit, view: BackfillView, groups: Sequence[str], fields: Fields, was: Fields,
        problem: BackfilldError,
    ) -> web.Response:  # fmt: skip
        """The form with what was typed, and the values that won."""
        present = edit_form.fields_of(view.backfill)
        met = edit_form.meet(fields, was, present, edit_form.keys_of(view.backfill, groups))
        told = _sentence(problem)
        if isinstance(problem, ChangedMeanwhile):
            told = MEANWHILE
        return self._draw(
            visit, view, groups, met.fields, present, problem=told, status=problem.status,
            clashes=met.clashes, taken=met.taken,
        )  # fmt: skip

    def _draw(
        self, visit: Visit, view: BackfillView, groups: Sequence[str], fields: Fields, was: Fields, *,
        version: int | None = None, faults: Mapping[str, str] | None = None, problem: str = "", status: int = 200,
        clashes: Sequence[str] = (), taken: Sequence[str] = (), warnings: Sequence[str] = (),
    ) -> web.Response:  # fmt: skip
        backfill = view.backfill
        words = settings.words_of(view)
        stopped = backfill.reason is not None and backfill.reason.code in STOPPED
        return self._frame.page(
            visit, "backfill/edit.html", status=status, here="backfills", id=backfill.id, pill=pill(view),
            name=backfill.settings.name or backfill.workflow_name, fields=fields, was=edit_form.written(was),
            version=backfill.version if version is None else version, faults=dict(faults or {}), problem=problem,
            groups=groups, group=",".join(groups), keys=edit_form.keys_of(backfill, groups), days=DAYS,
            windows=window_fields.rows_of(fields), presets=window_fields.PRESETS, stopped=stopped,
            meanwhile={key: words.get(key, "none") for key in clashes}, taken=[settings.TITLES[key] for key in taken],
            warnings=warnings, may_be_edited=not view.has_ended and backfill.status != "cancelling",
            place=times.place_of(backfill.settings.timezone), reason=visit.form.get("reason"),
        )  # fmt: skip


def _groups(text: str) -> tuple[str, ...]:
    """Those that are named; all, if none is."""
    named = text.split(",")
    return tuple(group for group in GROUPS if group in named) or tuple(GROUPS)


def _version(visit: Visit) -> int:
    text = visit.form.get("version")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LARGEST_VERSION else 0


def _placed(problem: Invalid, fields: Fields) -> tuple[dict[str, str], str]:
    """Faults by the field in which each is mended, and those that are about none."""
    names = edit_form.names_of(fields) | {"/reason": "reason"}
    found: dict[str, str] = {}
    general: list[str] = []
    for fault in problem.faults:
        path = fault.path
        while path and path not in names:
            path = path.rpartition("/")[0]
        if path:
            found.setdefault(names[path], fault.message)
        else:
            general.append(fault.message)
    return found, "; ".join(general)


def _sentence(problem: BackfilldError) -> str:
    text = problem.message[:1].upper() + problem.message[1:]
    return text if text[-1:] in ".!?" else text + "."


def pages(frame: Frame, operations: BackfillOperations) -> list[Page]:
    does = EditPages(frame, operations)
    path = PATH + "/edit"
    return [
        Page("GET", path, does.show, "operator", path_types=IDS),
        Page("POST", path, does.take, "operator", path_types=IDS),
    ]
