"""What a browser would send of a form on a page."""

import re
from html import unescape

_INPUT = re.compile(r"<input([^>]*)>")
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')


def sent(page: str, id_: str) -> dict[str, str]:
    """The fields of the form with that id: its inputs, and what is chosen. Without the session's token."""
    form = page.partition(f'id="{id_}"')[2].partition("</form>")[0]
    fields = {}
    for found in _INPUT.finditer(form):
        known = dict(_ATTRIBUTE.findall(found[1]))
        if known.get("type") != "checkbox" or " checked" in found[1]:
            fields[known["name"]] = unescape(known.get("value", "on"))
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        fields[name] = unescape(chosen[1]) if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.S):
        fields[name] = unescape(text)
    fields.pop("csrf", None)
    return fields
