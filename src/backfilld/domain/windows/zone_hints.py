"""What somebody meant who wrote no name of a zone, and what is remarkable about some names that are ones.

Guessing by likeness answers CEST with EST, six hours off. So names of Windows are looked up in their official table,
and abbreviations, which mean different zones to different people, are never answered with one.
"""

import re
from collections.abc import Collection

from backfilld.domain.windows.windows_zone_table import ZONE_OF_WINDOWS_NAME

EXAMPLE = "a zone such as 'Europe/Berlin'"
# In the data, but no place: what the machine is set to, and what stands where nobody has set anything.
NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
_OFFSET = re.compile(r"(?:utc|gmt|z)?\s*[+\-−]\s*\d.*", re.IGNORECASE)
_ABBREVIATION = re.compile(r"[A-Z]{2,5}")
_KNOWN_ABBREVIATIONS = frozenset(
    """
    ACDT ACST ACT ADT AEDT AEST AKDT AKST AST AWST BST CAT CDT CEST CET CST EAT EDT EEST EET EST GMT HDT HKT HST IDT IST
    JST KST MDT MEST MESZ MEZ MSK MST NDT NST NZDT NZST PDT PKT PST SAST SST WAT WEST WET WIB WIT WITA
    """.split()  # noqa: SIM905 - a list of 50 quoted words is no easier to read
)
_BY_LOWER = {name.casefold(): zone for name, zone in ZONE_OF_WINDOWS_NAME.items() if name != "UTC"}
_SEASON = re.compile(r" (?:daylight|summer) time\b")
_FIXED = frozenset({"EST", "MST", "HST", "GMT", "GMT0", "GMT+0", "GMT-0", "Greenwich"})
_ETC = re.compile(r"Etc/GMT([+-])([0-9]{1,2})")
_FOLLOWS = {
    "EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu", "GMT": "Europe/London",
}  # fmt: skip


def zone_of_windows(name: str) -> str | None:
    """The zone of a name that Windows gives it (`W. Europe Standard Time`, or its summer time); None: no such name."""
    folded = re.sub(r"\s+", " ", name.strip()).casefold()
    return _BY_LOWER.get(folded) or _BY_LOWER.get(_SEASON.sub(" standard time", folded))


def why_no_zone(name: str, shown: str) -> tuple[str, tuple[str, ...]] | None:
    """What to say of a name that cannot be a zone's, and what it means; None if it may be a slip of the pen."""
    if name in NO_ZONES:
        return f"{shown} is no zone of a place; write {EXAMPLE}", ()
    if _OFFSET.fullmatch(name):
        return f"{shown} is an offset; write the name of {EXAMPLE}, whose clocks may change", ("UTC",)
    meant = zone_of_windows(name)
    if meant is not None:
        return f"{shown} is what Windows calls a zone; did you mean '{meant}'?", (meant,)
    stripped = name.strip()
    if stripped.upper() != "UTC" and (stripped.upper() in _KNOWN_ABBREVIATIONS or _ABBREVIATION.fullmatch(stripped)):
        return f"{shown} is an abbreviation, which is no zone and does not follow its clocks; write {EXAMPLE}", ()
    return None


def zone_warnings(name: str) -> list[str]:
    """What is remarkable about a zone: that its clocks never change, though its name may make one think so."""
    etc = _ETC.fullmatch(name.replace("Etc/Greenwich", "GMT"))
    if etc is not None and int(etc[2]):
        side = "behind" if etc[1] == "+" else "ahead of"
        return [f"the zone {name} is {int(etc[2])} h {side} UTC all year (its sign is the other way round); {_ADVICE}"]
    plain = name.removeprefix("Etc/")
    if plain not in _FIXED:
        return []
    follows = _FOLLOWS["GMT" if plain.startswith("G") else plain]
    return [f"the zone {name} never changes its clocks; where they change, write a zone such as '{follows}'"]


_ADVICE = "where clocks change, write " + EXAMPLE


def without_misleading(near: Collection[str]) -> tuple[str, ...]:
    """Suggestions that may be made: none whose clocks stand still without saying so."""
    return tuple(name for name in near if not zone_warnings(name))
