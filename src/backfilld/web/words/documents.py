"""JSON as people read it."""

import json
from typing import Any


def pretty(value: Any) -> str:
    """A key a line; "" for None."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str)
