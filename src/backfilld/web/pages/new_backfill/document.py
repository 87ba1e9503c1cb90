"""The whole form and the body that it asks with, either way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.errors import Fault
from backfilld.web.fields import filter_fields, limit_fields, window_fields
from backfilld.web.fields.limit_fields import number, shown

Fields = Mapping[str, str]
AS_JSON = "json"
_PLAIN = {
    "target_workflow_id": "workflow", "entity_type": "entity_type", "name": "name", "timezone": "timezone",
    "max_in_flight": "max_in_flight", "starts_per_minute": "starts_per_minute", "sample_size": "sample_size",
    "max_credits": "max_credits", "order": "order", "reprocess_behavior": "reprocess_behavior",
    "max_attempts": "max_attempts",
}  # fmt: skip
_NUMBERS = {"target_workflow_id", "max_in_flight", "starts_per_minute", "sample_size", "max_credits", "max_attempts"}
_LISTS = {"excluded_dates": "excluded_dates", "entity_ids": "entity_ids"}
_NAMES = _PLAIN | _LISTS | {"filter_spec": "f.c", "daily_execution_windows": "w.0.from", "params": "params",
                            "failure_policy": "fp.ratio", "slow_down": "slow.ms", "rehearsal": "rehearsal",
                            "recheck": "recheck"}  # fmt: skip


@dataclass(slots=True)
class Document:
    """A body as the API takes it, faults that it cannot show, and where a fault of the body is mended in the form."""

    body: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def field_of(self, fault: Fault) -> str:
        """The name of the field that a fault is about; "" if it is about none."""
        path = fault.path
        while path and path not in self.names:
            path = path.rpartition("/")[0]
        return self.names.get(path, "")

    @property
    def asks_for_all(self) -> bool:
        return self.body.get("filter_spec") in ({}, {"match_all": True}) and "entity_ids" not in self.body


def document_of(fields: Fields) -> Document:
    """What the form asks for; what was left blank is left out."""
    made = Document(names={f"/{key}": name for key, name in _NAMES.items()})
    for key, name in _PLAIN.items():
        if text := fields.get(name, ""):
            made.body[key] = number(text) if key in _NUMBERS else text
    for key, name in _LISTS.items():
        text = fields.get(name, "")
        lines = (text.replace(",", "\n") if key == "excluded_dates" else text).split("\n")
        if found := [line.strip() for line in lines if line.strip()]:
            made.body[key] = found
    _filter(fields, made)
    _windows(fields, made)
    _limits(fields, made)
    if text := fields.get("params", ""):
        made.body["params"] = _json(text, "params", made)
    if fields.get("rehearsal"):
        made.body["rehearsal"] = True
    if fields.get("recheck"):
        made.body["recheck"] = fields["recheck"] == "yes"
    return made


def _json(text: str, name: str, made: Document) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        made.faults[name] = f"this is no JSON: {problem}"
        return {}


def _filter(fields: Fields, made: Document) -> None:
    if fields.get("mode") == AS_JSON:
        made.names["/filter_spec"] = "json"
        made.body["filter_spec"] = _json(fields.get("json") or "{}", "json", made)
        return
    told = filter_fields.spell(filter_fields.group_of(fields), "/filter_spec")
    made.names |= told.names
    made.body["filter_spec"] = {"match_all": True} if told.spec is None else told.spec


def _windows(fields: Fields, made: Document) -> None:
    week = window_fields.week_of(window_fields.rows_of(fields))
    made.body["daily_execution_windows"] = week.windows
    made.names |= {"/daily_execution_windows" + at: name for at, name in week.names.items()}
    made.faults |= {f"{at}.from": "choose the days on which it is open" for at in week.dayless}


def _limits(fields: Fields, made: Document) -> None:
    made.body["failure_policy"] = limit_fields.policy_of(fields)
    if (slow := limit_fields.slow_down_of(fields)) is not None:
        made.body["slow_down"] = slow
    made.names |= limit_fields.NAMES


def fields_of(body: Mapping[str, Any]) -> dict[str, str]:
    """The form that asks with this body; a filter that the builder cannot show stands in it as JSON."""
    made = {name: shown(body[key]) for key, name in _PLAIN.items() if body.get(key) is not None}
    made |= {name: "\n".join(map(str, body[key])) for key, name in _LISTS.items() if body.get(key)}
    made["excluded_dates"] = made.get("excluded_dates", "").replace("\n", ", ")
    made |= filter_fields_of(body.get("filter_spec", {}))
    made |= window_fields.fields_of(body.get("daily_execution_windows") or {})
    made |= limit_fields.fields_of(body.get("failure_policy") or {}, body.get("slow_down") or {})
    if body.get("params"):
        made["params"] = json.dumps(body["params"], ensure_ascii=False, indent=2)
    if body.get("rehearsal"):
        made["rehearsal"] = "1"
    if body.get("recheck") is not None:
        made["recheck"] = "yes" if body["recheck"] else "no"
    return made


def filter_fields_of(spec: Any) -> dict[str, str]:
    """The builder with this filter, or the filter as JSON."""
    rows = filter_fields.fields_of(spec)
    if rows is not None:
        return rows | {"mode": ""}
    return {"mode": AS_JSON, "json": json.dumps(spec, ensure_ascii=False, indent=2), "f.c": "and"}
