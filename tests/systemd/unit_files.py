"""The units of this project as data, read as systemd reads them: an empty value clears what was said before."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGED = ROOT / "src/backfilld/cli/units"
UNIT = "backfilld.service"
EMBEDDED = "backfilld.service.d/embedded.conf"

Unit = dict[str, list[str]]


def parsed(*texts: str) -> Unit:
    """Values by key, in the order in which they stand; later texts are drop-ins of the first."""
    found: Unit = {}
    for line in "\n".join(texts).splitlines():
        if not line or line.startswith(("#", ";", "[")):
            continue
        key, equals, value = line.partition("=")
        assert equals, f"not a setting: {line!r}"

        if value:
            found.setdefault(key, []).append(value)
        else:
            found[key] = []
    return found


def last(unit: Unit, key: str) -> str:
    """What holds of a key that takes one value."""
    return unit[key][-1]
