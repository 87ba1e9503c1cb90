"""What may be sent as the value of a header."""

import re

_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def header_value_is_fit(value: str) -> bool:
    """Whether a text may be sent as the value of a header."""
    return _HEADER_VALUE.fullmatch(value) is not None
