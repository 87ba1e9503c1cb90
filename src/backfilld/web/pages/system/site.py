"""All pages below `/system`."""

from backfilld.operations.system.every import SystemOperations
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page
from backfilld.web.live.stream import Streams
from backfilld.web.pages.system import verbs
from backfilld.web.pages.system.routes import SystemPages
from backfilld.web.pages.system.tabs import Reading


def pages(frame: Frame, streams: Streams, system: SystemOperations) -> list[Page]:
    """As the router takes them."""
    does = SystemPages(frame, streams, system)
    return [
        *(
            Page("GET", "/system" if tab == "health" else f"/system/{tab}", does.show(tab))
            for tab in Reading(system).by_tab
        ),
        Page("GET", "/system/workflows", does.show_workflows),
        Page("GET", "/system/keys", does.show_keys),
        Page("GET", "/system/audit", does.show_audit),
        Page("GET", "/system/notifications/{name}", does.show_deliveries),
        Page("GET", "/events/system/{tab}", does.follow, is_stream=True),
        *verbs.pages(frame, system),
    ]
