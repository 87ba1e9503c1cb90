"""Which browser somebody uses, in few words: what browsers say of themselves is for programs."""

import re

# The first that is named counts: most say that they are Chrome and Safari, too.
_NAMES = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("HeadlessChrome", "Chrome"), ("Chrome", "Chrome"),
    ("Version", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Windows", "Windows"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip
LONGEST = 60


def browser_of(user_agent: str) -> str:
    """As in "Firefox 145 on Linux"; what is no browser that we know, as it calls itself."""
    for token, name in _NAMES:
        if found := re.search(rf"\b{token}/(\d+)", user_agent):
            system = next((name for token, name in _SYSTEMS if token in user_agent), "")
            return f"{name} {found[1]}" + (f" on {system}" if system else "")
    return user_agent[:LONGEST] or "unknown"
