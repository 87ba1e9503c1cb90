"""Reads single rules, and keeps what is found wrong with them and with everything around them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from backfilld.domain.errors import Fault, did_you_mean, nearest, pointer
from backfilld.domain.filters.operators import EQUALITY, OPERATORS, SPELLINGS, Operator, Takes, positive
from backfilld.domain.filters.paths import parse_path
from backfilld.domain.filters.reading.limits import excerpt
from backfilld.domain.filters.reading.values import kind, read_value
from backfilld.domain.filters.tree import Rule
from backfilld.domain.windows.timezones import parse_zone
from backfilld.domain.windows.zone_hints import zone_warnings

RULE_KEYS: Final = ("field", "operator", "value", "case_sensitive", "as", "timezone")


@dataclass(slots=True)
class RuleReader:
    """Gathers faults and warnings on the way. What its methods return means nothing once there are faults."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rules: int = 0

    def rule(self, spec: dict[str, Any], path: str) -> Rule | None:
        self.rules += 1
        self.check_keys(spec, RULE_KEYS, path)
        names = self.field_of(spec, path)
        operator = self.operator(spec, path)
        case_sensitive = self.flag(spec, "case_sensitive", path, default=True)
        if operator is None:
            return None
        as_date, zone = self.as_date(spec, operator, path), self.zone(spec, path)
        if "value" not in spec and operator.takes is not Takes.NOTHING:
            self.fault(path + "/value", "required", f"'{operator.name}' needs a value")
            return None
        value = read_value(operator, spec.get("value"), path + "/value", as_date=as_date, faults=self.faults)
        self.warn_of_empty_text(operator, value, path)
        return Rule(names, operator.name, value, case_sensitive, as_date, zone, path + "/value")

    def field_of(self, spec: dict[str, Any], path: str) -> tuple[str, ...]:
        if "field" not in spec:
            self.fault(path + "/field", "required", "a rule needs a field")
        elif not isinstance(spec["field"], str):
            self.fault(path + "/field", "invalid_type", f"must be a text, not {kind(spec['field'])}")
        else:
            return self.path(spec["field"], path + "/field")
        return ()

    def path(self, spelling: str, path: str) -> tuple[str, ...]:
        try:
            return parse_path(spelling)
        except ValueError as problem:
            self.fault(path, "invalid_field", f"{excerpt(spelling)} is not a field: {problem}")
            return ()

    def operator(self, spec: dict[str, Any], path: str) -> Operator | None:
        path += "/operator"
        if "operator" not in spec:
            self.fault(path, "required", "a rule needs an operator", tuple(OPERATORS))
            return None
        name = spec["operator"]
        if not isinstance(name, str):
            self.fault(path, "invalid_type", f"must be a text, not {kind(name)}")
            return None
        if name not in SPELLINGS:
            hint = did_you_mean(name, SPELLINGS)
            self.fault(
                path, "unknown_operator", f"no operator is called {excerpt(name)}{hint}", _by_likeness(name, OPERATORS)
            )
            return None
        return OPERATORS[SPELLINGS[name]]

    def as_date(self, spec: dict[str, Any], operator: Operator, path: str) -> bool:
        if "as" not in spec:
            return False
        if spec["as"] != "date":
            self.fault(path + "/as", "invalid_value", "must be 'date', or be left out", ("date",))
            return False
        if operator.takes in (Takes.ORDERED, Takes.PAIR) or positive(operator.name)[0] in EQUALITY:
            return True
        self.fault(path + "/as", "invalid_value", f"'{operator.name}' does not compare dates")
        return False

    def zone(self, spec: dict[str, Any], path: str) -> ZoneInfo | None:
        if "timezone" not in spec:
            return None
        zone = parse_zone(spec["timezone"], path + "/timezone")
        if isinstance(zone, Fault):
            self.faults.append(zone)
            return None
        self.warnings += zone_warnings(zone.key)
        return zone

    def flag(self, spec: dict[str, Any], key: str, path: str, *, default: bool) -> bool:
        found = spec.get(key, default)
        if isinstance(found, bool):
            return found
        self.fault(f"{path}/{key}", "invalid_type", f"must be true or false, not {kind(found)}")
        return default

    def short_rule(self, spelling: str, value: Any, path: str) -> Rule | None:
        """A field of the shorthand with what it must be equal to, or be in."""
        self.rules += 1
        names = self.path(spelling, path)
        if isinstance(value, dict):
            hint = did_you_mean(spelling, ("conditions",))
            self.fault(path, "invalid_value", f"is an object; a field inside it is written as a path, with dots{hint}")
            return None
        operator = OPERATORS["in" if isinstance(value, list) else "="]
        read = read_value(operator, value, path, as_date=False, faults=self.faults)
        return Rule(names, operator.name, read, value_at=path)

    def warn_of_empty_text(self, operator: Operator, value: object, path: str) -> None:
        if value == "" and (operator.takes is Takes.TEXT or positive(operator.name)[0] == "contains"):
            self.warnings.append(f"{path}: every text {positive(operator.name)[0]} the empty text.")

    def check_keys(self, spec: dict[str, Any], known: tuple[str, ...], path: str) -> None:
        for key in spec:
            if key not in known:
                message = f"unknown key {excerpt(key)}{did_you_mean(key, known)}"
                self.fault(path + pointer(key), "unknown_key", message, _by_likeness(key, known))

    def fault(self, path: str, code: str, message: str, allowed: tuple[str, ...] = ()) -> None:
        self.faults.append(Fault(path, code, message, allowed))


def _by_likeness(name: str, known: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    near = nearest(name, known)
    return (*near, *(other for other in known if other not in near))
