"""The fields of limits: how failures pile up, how the target is followed; and numbers as people type them."""

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, str]
POLICY = {"max_failure_ratio": "fp.ratio", "window": "fp.window", "min_sample": "fp.min",
          "max_consecutive_failures": "fp.row"}  # fmt: skip
SLOW_DOWN = {"latency_ms": "slow.ms", "of": "slow.of", "over": "slow.over"}
NAMES = {f"/failure_policy/{key}": name for key, name in POLICY.items()} | {
    f"/slow_down/{key}": name for key, name in SLOW_DOWN.items()
}  # where a fault of the body is mended in the form


def number(text: str) -> Any:
    """The number that was typed; else the text as it is, of which the API says what is wrong."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return text
    if value != value or abs(value) > 1e15:
        return text
    return int(value) if value.is_integer() else value


def shown(value: Any) -> str:
    """A number as `number` reads it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def policy_of(fields: Fields) -> dict[str, Any]:
    """When it stops by itself, as a request carries it."""
    policy: dict[str, Any] = {key: number(fields[name]) for key, name in POLICY.items() if fields.get(name)}
    if isinstance(policy.get("max_failure_ratio"), int | float):
        policy["max_failure_ratio"] = round(policy["max_failure_ratio"] / 100, 6)
    return policy | {"enabled": bool(fields.get("fp.on"))}


def slow_down_of(fields: Fields) -> dict[str, Any] | None:
    """How it follows the target's latency; None: it does not."""
    if not fields.get("slow.ms"):
        return None
    slow = {key: fields[name] for key, name in SLOW_DOWN.items() if fields.get(name)}
    return {key: value if key == "of" else number(value) for key, value in slow.items()}


def fields_of(policy: Mapping[str, Any], slow: Mapping[str, Any]) -> dict[str, str]:
    """The fields that say the same."""
    made = {name: shown(policy[key]) for key, name in POLICY.items() if key in policy}
    if "max_failure_ratio" in policy:
        made["fp.ratio"] = shown(round(policy["max_failure_ratio"] * 100, 4))
    made["fp.on"] = "1" if policy.get("enabled", True) else ""
    return made | {name: shown(slow[key]) for key, name in SLOW_DOWN.items() if key in slow}
